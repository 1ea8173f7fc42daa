package binaries

import (
	"runtime"
	"sync"

	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
)

// digests makes the content digests of small contents, two at a time where two
// are there: a core takes little longer for two than for one (see sha.WriteBoth).
// Only half of the cores hash, so that while there is much to hash the others'
// contents wait in pairs; nobody waits for a second one to come.
type digests struct {
	mu      sync.Mutex
	hashing int // goroutines that hash now
	most    int
	waiting []*digesting // first come, first served
}

// digesting is the digest of three pieces, one behind the other.
type digesting struct {
	before, text, after []byte
	sum                 [sha.Size]byte
	turn                chan bool // one place: true when sum is made, false where the waiting one must make it
}

// pairedBytes is the shortest text for which a turn is worth its wait.
const pairedBytes = 16 << 10

func newDigests() *digests { return &digests{most: max(1, runtime.GOMAXPROCS(0)/2)} }

// make fills in d.sum, and that of another that waits.
func (g *digests) make(d *digesting) {
	if len(d.text) < pairedBytes {
		d.alone()
		return
	}
	other, made := g.begin(d)
	switch {
	case made:
		return
	case other == nil:
		d.alone()
	default:
		both(d, other)
		other.turn <- true
	}
	g.end()
}

// begin waits until d may be hashed, with another or without; or until somebody
// else has done so.
func (g *digests) begin(d *digesting) (other *digesting, made bool) {
	g.mu.Lock()
	if g.hashing < g.most {
		g.hashing++
	} else {
		g.waiting = append(g.waiting, d)
		g.mu.Unlock()
		if <-d.turn {
			return nil, true
		}
		g.mu.Lock()
	}
	defer g.mu.Unlock()
	return g.next(), false
}

// end passes the turn on.
func (g *digests) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if next := g.next(); next != nil {
		next.turn <- false
	} else {
		g.hashing--
	}
}

// next takes the one that has waited longest, or returns nil.
func (g *digests) next() *digesting {
	if len(g.waiting) == 0 {
		return nil
	}
	d := g.waiting[0]
	g.waiting = g.waiting[:copy(g.waiting, g.waiting[1:])]
	return d
}

func (d *digesting) alone() {
	var s sha.Sum
	_, _ = s.Write(d.before) // never fails
	_, _ = s.Write(d.text)
	_, _ = s.Write(d.after)
	d.sum = s.Sum()
}

func both(d, other *digesting) {
	var s, t sha.Sum
	_, _ = s.Write(d.before)
	_, _ = t.Write(other.before)
	sha.WriteBoth(&s, d.text, &t, other.text)
	_, _ = s.Write(d.after)
	_, _ = t.Write(other.after)
	d.sum, other.sum = s.Sum(), t.Sum()
}
