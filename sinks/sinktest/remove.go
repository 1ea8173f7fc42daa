package sinktest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

func list(t *testing.T, sink pipeline.Sink) (found []pipeline.Listed) {
	t.Helper()
	check(t, sink.List(t.Context(), func(l pipeline.Listed) error {
		found = append(found, l)
		return nil
	}))
	slices.SortFunc(found, func(a, b pipeline.Listed) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(fmt.Sprint(a.Unfinished), fmt.Sprint(b.Unfinished)))
	})
	return found
}

func testList(t *testing.T, p Place) {
	if found := list(t, open(t, p)); len(found) != 0 {
		t.Errorf("an empty place holds %v", found)
	}
	sink, _ := begin(t, p)
	whole := content(1, 2*p.Chunk+5)
	sealed, unfinished := sink.Create("v1-0/sealed.ndjson"), sink.Create("v1-1/open.ndjson")
	add(t, sealed, whole)
	seal(t, sink, sealed, whole)
	add(t, unfinished, whole)
	mark(t, unfinished)
	p.Put("v1-0/.hidden", []byte("another's"))

	found := list(t, sink)
	want := []pipeline.Listed{
		{Name: claimName, Size: 2},
		{Name: "v1-0/.hidden", Size: 9},
		{Name: "v1-0/sealed.ndjson", Size: int64(len(whole))},
		{Name: "v1-1/open.ndjson", Unfinished: true},
	}
	for i := range found {
		if found[i].Unfinished {
			found[i].Size = 0 // a bucket does not tell
		}
	}
	if !slices.Equal(found, want) {
		t.Errorf("listed\n%v, want\n%v", found, want)
	}
}

// testListMany: more than a page of whatever the sink asks.
func testListMany(t *testing.T, p Place) {
	const files = 250
	sink, _ := begin(t, p)
	names := []string{claimName}
	for i := range files {
		name := fmt.Sprintf("v1-%d/Patient-v1-00000.ndjson", i)
		p.Put(name, []byte("x"))
		names = append(names, name)
	}
	found := list(t, sink)
	if len(found) != files+1 {
		t.Errorf("%d files, want %d", len(found), files+1)
	}
	check(t, sink.Remove(t.Context(), names...))
	if found := list(t, sink); len(found) > 0 || len(p.Visible("")) > 0 {
		t.Errorf("%d files are left", len(found))
	}
}

func testRemove(t *testing.T, p Place) {
	sink, _ := begin(t, p)
	whole := content(1, 2*p.Chunk+5)
	sealed, open := sink.Create("v1-0/sealed.ndjson"), sink.Create("v1-1/open.ndjson")
	other := sink.Create("v1-2/other.ndjson")
	for _, f := range []pipeline.File{sealed, open, other} {
		add(t, f, whole)
	}
	seal(t, sink, sealed, whole)
	mark(t, open)
	check(t, sink.Remove(t.Context(), "v1-0/sealed.ndjson", "v1-1/open.ndjson", "v1-2/absent.ndjson"))
	wantVisible(t, p, nil)
	for _, left := range p.Leftovers() {
		if !strings.Contains(left, "other.ndjson") {
			t.Errorf("left over: %s", left)
		}
	}
	seal(t, sink, other, whole) // it was not touched
	check(t, sink.Remove(t.Context(), "v1-2/other.ndjson"))
	wantOnly(t, p, nil)

	again := sink.Create("v1-0/sealed.ndjson")
	add(t, again, whole)
	seal(t, sink, again, whole)
	wantOnly(t, p, map[string][]byte{"v1-0/sealed.ndjson": whole})
	check(t, sink.Remove(t.Context(), "v1-0/sealed.ndjson", claimName))
	if found := list(t, sink); len(found) > 0 {
		t.Errorf("still there: %v", found)
	}
}
