package bucket_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

// tailFiles are what lies on the disk now.
func (r *rig) tailFiles() (tails []string) {
	all, err := filepath.Glob(filepath.Join(r.tails, "*", "*"))
	check(r.t, err)
	return all
}

// A part that is gathered in memory goes from there: the disk sees none but the
// first, unless a cut comes in its middle.
func TestHotPartsStayInMemory(t *testing.T) {
	r := newHotRig(t, 50)
	sink, kill := r.open()
	defer kill()
	whole := lines(5*partSize + 100)
	f := sink.Create(fileName)
	check(t, f.Append(t.Context(), whole))
	for _, tail := range r.tailFiles() {
		if filepath.Base(tail) != filepath.Base(fileName)+".0" {
			t.Errorf("on disk: %s", tail)
		}
	}
	check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
	if string(r.visible(fileName)[fileName]) != string(whole) {
		t.Error("other bytes")
	}
}

// I1: a cut has the tail hold what only memory had, and later cuts what came since.
func TestCutStoresHotPart(t *testing.T) {
	r := newHotRig(t, 1)
	sink, kill := r.open()
	defer kill()
	f := sink.Create(fileName)
	check(t, f.Append(t.Context(), lines(partSize)))
	whole := lines(partSize - 1)
	from := 0
	for _, to := range []int{10, 10, 300, len(whole)} {
		check(t, f.Append(t.Context(), whole[from:to]))
		_, err := f.Mark()(t.Context())
		check(t, err)
		tail, err := os.ReadFile(filepath.Join(r.tails, fileName) + ".1")
		check(t, err)
		if string(tail) != string(whole[:to]) {
			t.Fatalf("%d of %d bytes are on disk", len(tail), to)
		}
		from = to
	}
}

// I7: no more parts than allowed are in memory, the others are in tails; and each
// file's place is free again when it is sealed, whatever became of its parts.
func TestHotPartsAreBounded(t *testing.T) {
	r := newHotRig(t, 2)
	sink, kill := r.open()
	defer kill()
	for round := range 20 {
		const begun = partSize + 1
		whole := lines(begun + round*partSize/3)
		var files []pipeline.File
		for _, name := range []string{"a", "b", "c"} {
			f := sink.Create(fmt.Sprintf("v1-%d/%s.ndjson", round, name))
			check(t, f.Append(t.Context(), whole[:begun]))
			files = append(files, f)
		}
		second, err := filepath.Glob(filepath.Join(r.tails, "*", "*.1"))
		check(t, err)
		if len(second) != 1 || filepath.Base(second[0]) != "c.ndjson.1" {
			t.Fatalf("round %d: on disk: %q", round, second)
		}
		for _, f := range files {
			check(t, f.Append(t.Context(), whole[begun:]))
			_, err := f.Mark()(t.Context())
			check(t, err)
			check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
		}
		check(t, sink.Settle(t.Context()))
	}
}
