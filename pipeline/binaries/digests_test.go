package binaries

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"sync"
	"testing"
)

func randomDigesting(r *rand.Rand, text int) *digesting {
	return &digesting{
		before: randomBytes(r, r.IntN(200)), text: randomBytes(r, text), after: randomBytes(r, r.IntN(200)), turn: make(chan bool, 1),
	}
}

func (d *digesting) right() bool {
	return d.sum == sha256.Sum256(bytes.Join([][]byte{d.before, d.text, d.after}, nil))
}

// Whoever hashes takes the one that has waited longest along, and passes the turn
// on to the next.
func TestDigestsTurns(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	one, first, second := randomDigesting(r, pairedBytes), randomDigesting(r, pairedBytes+100), randomDigesting(r, pairedBytes)
	g := &digests{most: 1, waiting: []*digesting{first, second}}
	g.make(one)
	if !one.right() || !first.right() || !<-first.turn {
		t.Error("the digests of two were not made at once")
	}
	if second.right() || <-second.turn || g.hashing != 1 || len(g.waiting) != 0 {
		t.Errorf("the turn was not passed on: %d hash, %d wait", g.hashing, len(g.waiting))
	}
	g.hashing = 0
	if g.make(second); !second.right() || g.hashing != 0 {
		t.Error("one alone has not ended its turn")
	}
}

func TestDigests(t *testing.T) {
	for _, most := range []int{1, 3} {
		g := &digests{most: most}
		var fetchers sync.WaitGroup
		for n := range 16 {
			fetchers.Go(func() {
				r := rand.New(rand.NewPCG(4, uint64(n)))
				for range 50 {
					d := randomDigesting(r, r.IntN(4*pairedBytes))
					if g.make(d); !d.right() {
						t.Errorf("wrong digest of a text of %d bytes", len(d.text))
					}
				}
			})
		}
		fetchers.Wait()
		if g.hashing != 0 || len(g.waiting) != 0 {
			t.Errorf("at the end %d hash and %d wait", g.hashing, len(g.waiting))
		}
	}
}
