//go:build unix

package verify

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
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
	if result.count(Missing) != n/50 || found != n/50 || result.count(Equal) != n-n/50 || runs <= 2*o.mostRuns {
		t.Fatalf("%d missing, %d equal, %d found, %d runs", result.count(Missing), result.count(Equal), found, runs)
	}
	if held := most - before; held > uint64(o.Memory) {
		t.Errorf("%d bytes are held, %d are allowed", held, o.Memory)
	} else {
		t.Logf("%d bytes held, %d allowed, %d runs", held, o.Memory, runs)
	}
}

// TestManyTypes: types cost memory, so a run has few, and an export not too many.
func TestManyTypes(t *testing.T) {
	for _, n := range []int{100, maxTypes, maxTypes + 1} {
		w := newWorld(t, 1)
		for i := range n {
			b := w.body()
			b.typ = fmt.Sprintf("Type%d", i)
			w.versions(b)
			w.target(b)
			w.expect(b, Equal, NoCause)
		}
		objects, places := w.objects(2)
		o := options(t.TempDir())
		if err := Digest(t.Context(), newExport(objects), o); err != nil {
			t.Fatal(err)
		}
		runs, err := openRuns(o.Dir, o.Marks.fingerprint())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if len(r.types) > o.types() {
				t.Fatalf("%d types in a run, %d are allowed", len(r.types), o.types())
			}
		}
		a, err := compareAll(t.Context(), openLedger(t, w.entries, 5000), o)
		if n > maxTypes {
			if pipeline.KindOf(err) != pipeline.KindFatal {
				t.Errorf("%d types: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		w.check(t, a, places)
	}
}

// TestShares: what the parts may hold together is not more than what is allowed.
func TestShares(t *testing.T) {
	for _, memory := range []int{minMemory, 64 << 20, defaultMemory, 4 << 30} {
		for _, workers := range []int{1, 2, 64} {
			o := Options{Memory: memory, Workers: workers}
			gather := o.workers() * (o.tuples()*tupleMemory + o.types()*leads*80 + 2*bufferBytes)
			merge := o.runs() * (leastBuffer + cursorMemory)
			if gather > memory || merge > memory/4 || o.runs() < 100 {
				t.Errorf("%d bytes, %d workers: %d to gather, %d to merge %d runs", memory, workers, gather, merge, o.runs())
			}
		}
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
