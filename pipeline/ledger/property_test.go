package ledger_test

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// ids are few, so that resources have histories and ids are ambiguous. They
// hold every form that an id can be stored in.
var ids = []string{
	"0123abcd-4567-89ab-cdef-0123456789ab", "f123abcd-4567-89ab-cdef-0123456789ab",
	"0123ABCD-4567-89ab-cdef-0123456789ab", "0123abcd-4567-89ab-cdef-0123456789a.", "0123abcd-4567-89ab-cdef.0123456789ab",
	"0123abcd456789abcdef0123456789ab", "x", "patient.1", "patient-2", strings.Repeat("Z9-.", 16),
}

var types = []string{"Patient", "Observation", "A", strings.Repeat("T", 64)}

// identified are the reasons that an entry can have, NoReason thrice.
var identified = func() []pipeline.Reason {
	all := []pipeline.Reason{pipeline.NoReason, pipeline.NoReason, pipeline.NoReason}
	for _, r := range pipeline.Reasons() {
		if r.Identified() {
			all = append(all, r)
		}
	}
	return all
}()

var entries = rapid.Custom(func(t *rapid.T) ledger.Entry {
	e := ledger.Entry{
		Type:        []byte(rapid.SampledFrom(types).Draw(t, "type")),
		ID:          []byte(rapid.SampledFrom(ids).Draw(t, "id")),
		Version:     rapid.OneOf(rapid.Uint32Range(0, 5), rapid.Uint32Range(0, 5), rapid.Uint32Range(250, 300)).Draw(t, "version"),
		LastUpdated: rapid.OneOf(rapid.Just(int64(ledger.UnknownTime)), rapid.Int64()).Draw(t, "time"),
		Status:      pipeline.DocumentStatus(rapid.IntRange(int(pipeline.Available), int(pipeline.Deleted)).Draw(t, "status")),
		Reason:      rapid.SampledFrom(identified).Draw(t, "reason"),
		Object:      rapid.Uint32().Draw(t, "object"),
		Record:      rapid.Int64Range(0, math.MaxInt64).Draw(t, "record"),
	}
	if e.Written() {
		e.Content = digestOf(rapid.ByteRange(0, 2).Draw(t, "content"))
		e.Label = digestOf(rapid.Byte().Draw(t, "label"))
		e.Form = rapid.OneOf(rapid.Just(uint32(0)), rapid.Uint32()).Draw(t, "form")
		e.Folder, e.File, e.Line = rapid.Uint32().Draw(t, "folder"), rapid.Uint32().Draw(t, "file"), rapid.Uint32().Draw(t, "line")
	}
	return e
})

// TestAnswersAgreeWithOracle cuts any entries into segments of any size, and
// compares every answer with those of a program that holds everything in memory.
func TestAnswersAgreeWithOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.SliceOfN(entries, 0, 120).Draw(rt, "entries")
		size := rapid.IntRange(1, 40).Draw(rt, "entries per segment")
		var files []ledger.File
		for at := 0; at < len(all); at += size {
			part := all[at:min(at+size, len(all))]
			sealed := seal(t, part)
			got, err := naiveDecode(sealed)
			if err != nil {
				rt.Fatal(err)
			}
			if want := inOrder(part); !reflect.DeepEqual(got, want) {
				rt.Fatalf("decoded\n%v\nwant\n%v", got, want)
			}
			files = append(files, bytes.NewReader(sealed))
		}
		l, err := ledger.Open(t.Context(), files)
		if err != nil {
			rt.Fatal(err)
		}
		memory := l.MinMemory() + rapid.IntRange(0, 1<<20).Draw(rt, "memory")
		compareTotals(rt, l, memory, all)
		compareResources(rt, l, memory, all)
		compareFound(rt, l, memory, all)
	})
}

// compareFound: any ids, asked for at once, are what asking for all of them gives.
func compareFound(rt *rapid.T, l *ledger.Ledger, memory int, all []ledger.Entry) {
	wanted := map[string]bool{}
	for _, id := range rapid.SliceOf(rapid.SampledFrom(append(ids, "absent"))).Draw(rt, "wanted") {
		wanted[id] = true
	}
	var want []oracleResource
	for _, w := range oracle(all) {
		if wanted[w.id] {
			want = append(want, w)
		}
	}
	for r, err := range l.Find(rt.Context(), wanted, memory) {
		if err != nil || len(want) == 0 {
			rt.Fatalf("%v, %v", r, err)
		}
		compareResource(rt, r, want[0])
		want = want[1:]
	}
	if len(want) > 0 {
		rt.Fatalf("%d resources were not found", len(want))
	}
}

func compareTotals(rt *rapid.T, l *ledger.Ledger, memory int, all []ledger.Entry) {
	got, err := l.Summarize(rt.Context(), memory)
	if err != nil {
		rt.Fatal(err)
	}
	want, sums := oracleTotals(all)
	for typ, tally := range got.Types {
		if tally.Set.Hex() != sums[typ] || int64(tally.Set.Count) != tally.Live {
			rt.Fatalf("set sum of %s: %s, want %s", typ, tally.Set.Hex(), sums[typ])
		}
		tally.Set = ledger.SetSum{}
		got.Types[typ] = tally
	}
	got.Set = ledger.SetSum{}
	if !reflect.DeepEqual(got, want) {
		rt.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
}

func compareResources(rt *rapid.T, l *ledger.Ledger, memory int, all []ledger.Entry) {
	got, want := resources(rt, l, memory), oracle(all)
	if len(got) != len(want) {
		rt.Fatalf("%d resources, want %d", len(got), len(want))
	}
	for i, w := range want {
		compareResource(rt, &got[i], w)
		found, err := lookup(rt.Context(), l, w.typ, w.id)
		if err != nil || found == nil {
			rt.Fatalf("lookup: %v, %v", found, err)
		}
		compareResource(rt, found, w)
	}
	for _, absent := range [][2]string{{"Absent", ids[0]}, {"Patient", "absent"}} {
		if r, err := lookup(rt.Context(), l, absent[0], absent[1]); r != nil || err != nil {
			rt.Fatalf("lookup of an absent resource: %v, %v", r, err)
		}
	}
}

func compareResource(rt *rapid.T, got *ledger.Resource, want oracleResource) {
	if string(got.Type) != want.typ || string(got.ID) != want.id || got.Fate != want.fate || got.Ambiguous != want.ambiguous ||
		got.Duplicates != want.duplicates || got.Holes != want.holes || !reflect.DeepEqual(got.Versions, want.versions) {
		rt.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
	if got.Deletable() != (want.fate == ledger.Deleted && !want.ambiguous) {
		rt.Fatal("deletable")
	}
}

// TestRowsRoundTrip: a row says what it was made of, wherever it stands.
func TestRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.SliceOfN(entries, 0, 30).Draw(rt, "entries")
		chunk := rowsOf(all)
		it := ledger.NewRows(chunk)
		n := 0
		for ; it.Next(); n++ {
			row := it.Row()
			if got := row.Entry(); !reflect.DeepEqual(got, all[n]) {
				rt.Fatalf("got %v, want %v", got, all[n])
			}
			if row.Version() != all[n].Version || !bytes.Equal(row.Type(), all[n].Type) || row.Written() != all[n].Written() {
				rt.Fatal("row's own view")
			}
		}
		if it.Err() != nil || n != len(all) {
			rt.Fatalf("%d rows, %v", n, it.Err())
		}
	})
}

// TestSetSumIgnoresOrder: folding in any order and any parts gives one sum.
func TestSetSumIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfN(rapid.StringN(1, 20, 64), 0, 20).Draw(rt, "ids")
		order := rapid.Permutation(names).Draw(rt, "order")
		cut := rapid.IntRange(0, len(order)).Draw(rt, "cut")
		fold := func(names []string) (s ledger.SetSum) {
			for _, id := range names {
				d := digestOf(id[0])
				s.Add([]byte("Patient"), []byte(id), &d)
			}
			return s
		}
		left, right := fold(order[:cut]), fold(order[cut:])
		left.Merge(right)
		if whole := fold(names); whole != left {
			rt.Fatalf("%v and %v", whole, left)
		}
	})
}
