//go:build unix

package verify

import (
	"runtime"
	"sync"
	"testing"
)

// TestBoundedMemory verifies far more than memory holds: many runs, merged in
// several passes, with findings in every hash range. Live memory stays within
// the bound (I7).
func TestBoundedMemory(t *testing.T) {
	const n = 30 * perObject
	g := newGenerated(n)
	book := g.ledger(t)
	g.drop = func(i int) bool { return i%50 == 0 }
	o := options(t.TempDir())
	o.Memory, o.mostRuns = minMemory, 3
	if tuples := n * tupleMemory; tuples < 3*o.Memory {
		t.Fatalf("%d bytes of tuples fit %d", tuples, o.Memory)
	}
	var mu sync.Mutex
	most, runs := uint64(0), 0
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	look()
	before := most
	o.Digested = func(int64, int64) {
		runs++
		look()
	}
	if err := Digest(t.Context(), g, o); err != nil {
		t.Fatal(err)
	}
	found := int64(0)
	result, err := Compare(t.Context(), book, o, func(*Finding) error {
		if found++; found%500 == 0 {
			look()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.Count(Missing) != n/50 || found != n/50 || result.Count(Equal) != n-n/50 || runs <= 2*o.mostRuns {
		t.Fatalf("%d missing, %d equal, %d found, %d runs", result.Count(Missing), result.Count(Equal), found, runs)
	}
	if held := most - before; held > uint64(o.Memory) {
		t.Errorf("%d bytes are held, %d are allowed", held, o.Memory)
	} else {
		t.Logf("%d bytes held, %d allowed, %d runs", held, o.Memory, runs)
	}
}

func TestTooLittleMemory(t *testing.T) {
	o := options(t.TempDir())
	o.Memory = minMemory - 1
	if err := Digest(t.Context(), newExport(nil), o); err == nil {
		t.Error("no error")
	}
	if _, err := Compare(t.Context(), nil, o, nil); err == nil {
		t.Error("no error")
	}
}
