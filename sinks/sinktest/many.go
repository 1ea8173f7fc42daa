package sinktest

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	manyFiles       = 2000
	manyDescriptors = 200 // far below manyFiles: connections and transfers in progress
)

// testManyFiles has 2,000 files open at once: no descriptor each, all marked
// in one cut, half of them resumed by another process.
func testManyFiles(t *testing.T, p Place) {
	name := func(i int) string { return fmt.Sprintf("v%d-0/Type%d-v1-00000.ndjson", i%7, i) }
	want := map[string][]byte{}
	states := make([]json.RawMessage, manyFiles)
	files := make([]pipeline.File, manyFiles)
	first, kill := begin(t, p)
	for i := range files {
		want[name(i)] = content(uint64(i), 40+i%50)
		files[i] = first.Create(name(i))
		check(t, files[i].Append(t.Context(), want[name(i)][:30]))
	}
	if n := descriptors(); n > manyDescriptors {
		t.Errorf("%d descriptors for %d open files", n, manyFiles)
	}
	each(t, func(i int) (err error) {
		states[i], err = files[i].Mark()(t.Context())
		return err
	})
	kill()

	sink := open(t, p)
	open := map[string]json.RawMessage{}
	for i, state := range states {
		open[name(i)] = state
	}
	check(t, sink.Sweep(t.Context(), open))
	each(t, func(i int) error {
		f, whole := sink.Resume(name(i), 30, states[i]), want[name(i)]
		if err := f.Append(t.Context(), whole[30:]); err != nil {
			return err
		}
		return f.Seal(t.Context(), sum(whole))
	})
	check(t, sink.Settle(t.Context()))
	if n := descriptors(); n > manyDescriptors {
		t.Errorf("%d descriptors after %d seals", n, manyFiles)
	}
	wantOnly(t, p, want)
}

func each(t *testing.T, do func(i int) error) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(32)
	for i := range manyFiles {
		group.Go(func() error { return do(i) })
	}
	check(t, group.Wait())
}

// descriptors returns how many this process holds, 0 where nobody tells.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
