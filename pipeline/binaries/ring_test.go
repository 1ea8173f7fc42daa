package binaries

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// TestRing: regions never overlap, come in any sizes, and are never more than the
// ring holds, but for one that is alone; what is free can be had.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newRing(16)
		var inUse []region
		var marks []byte
		for i := range rapid.IntRange(1, 100).Draw(t, "steps") {
			if n := rapid.IntRange(1, 18).Draw(t, "n"); rapid.Bool().Draw(t, "take") {
				r, ok := g.try(n)
				if !ok {
					if len(inUse) == 0 {
						t.Fatal("an empty ring refuses")
					}
					continue
				}
				if cap(r.b) != n || len(r.b) != 0 {
					t.Fatalf("%d bytes instead of %d", cap(r.b), n)
				}
				for k := range n {
					r.b[:n][k] = byte(i)
				}
				inUse, marks = append(inUse, r), append(marks, byte(i))
			} else if len(inUse) > 0 {
				inUse[0].release()
				inUse, marks = inUse[1:], marks[1:]
			}
			var sum int64
			for k, r := range inUse {
				sum += int64(cap(r.b))
				for _, b := range r.b[:cap(r.b)] {
					if b != marks[k] {
						t.Fatal("regions overlap")
					}
				}
			}
			if sum != g.inUse() || sum > 16 && len(inUse) > 1 {
				t.Fatalf("%d bytes in use by its own count, %d by ours in %d regions", g.inUse(), sum, len(inUse))
			}
		}
	})
}

// TestRingWaits: who takes gets its bytes when they are released, or the job ends.
func TestRingWaits(t *testing.T) {
	g := newRing(10)
	first, err := g.take(t.Context(), 8)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		_, err := g.take(t.Context(), 8)
		got <- err
	}()
	first.release()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := g.take(ended, 8); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
