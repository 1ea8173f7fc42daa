//go:build !race

package sha_test

import (
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
)

// Under the race detector a sync.Pool forgets at random.
func TestNoAllocation(t *testing.T) { everyRoad(t, noAllocation) }

func noAllocation(t *testing.T) {
	p := message(1000)
	var sum [32]byte
	if n := testing.AllocsPerRun(1000, func() {
		var s sha.Sum
		_, _ = s.Write(p[:5])
		_, _ = s.Write(p)
		sum = s.Sum()
	}); n >= 1 { // below: a pool emptied by the collector
		t.Fatalf("%v allocations", n)
	}
	_ = sum
}
