package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// plenty is memory enough for every test that does not ask for bounds.
const plenty = 64 << 20

// rowsOf encodes entries as workers and merge do.
func rowsOf(entries []ledger.Entry) []byte {
	var rows []byte
	for i := range entries {
		at := len(rows)
		rows = ledger.AppendRow(rows, &entries[i])
		if entries[i].Written() {
			ledger.Row(rows[at:]).SetPlace(entries[i].Folder, entries[i].File, entries[i].Line)
		}
	}
	return rows
}

func seal(t testing.TB, entries []ledger.Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	info, err := ledger.Seal(&out, rowsOf(entries), len(entries))
	if err != nil {
		t.Fatal(err)
	}
	if info.Entries != len(entries) || info.Bytes != int64(out.Len()) {
		t.Fatalf("info %+v for %d entries in %d bytes", info, len(entries), out.Len())
	}
	return out.Bytes()
}

// open seals each segment and opens them as one ledger.
func open(t testing.TB, segments ...[]ledger.Entry) *ledger.Ledger {
	t.Helper()
	files := make([]ledger.File, len(segments))
	for i, s := range segments {
		files[i] = bytes.NewReader(seal(t, s))
	}
	l, err := ledger.Open(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// resources collects what Resources yields, cloned.
func resources(t interface {
	Helper()
	Fatal(...any)
	Context() context.Context
}, l *ledger.Ledger, memory int,
) []ledger.Resource {
	t.Helper()
	var all []ledger.Resource
	for r, err := range l.Resources(t.Context(), memory) {
		if err != nil {
			t.Fatal(err)
		}
		c := *r
		c.ID = bytes.Clone(r.ID)
		c.Versions = slices.Clone(r.Versions)
		for i := range c.Versions {
			c.Versions[i].ID = c.ID
		}
		all = append(all, c)
	}
	return all
}

func digestOf(b byte) (d [32]byte) {
	for i := range d {
		d[i] = b
	}
	return d
}

// entry is a written record whose digest depends on id and version.
func entry(typ, id string, version uint32, status pipeline.DocumentStatus) ledger.Entry {
	return ledger.Entry{
		Type: []byte(typ), ID: []byte(id), Version: version, Status: status,
		LastUpdated: 1693685827463 + int64(version),
		Content:     digestOf(byte(version) + id[len(id)-1]), Label: digestOf(7),
		Folder: 1, File: 2, Line: 3 + version,
	}
}

// skipped is a record that was not written, for a reason.
func skipped(typ, id string, version uint32, status pipeline.DocumentStatus, why pipeline.Reason) ledger.Entry {
	return ledger.Entry{
		Type: []byte(typ), ID: []byte(id), Version: version, Status: status, Reason: why,
		LastUpdated: 1693685827463,
	}
}

func uuid(n int) string {
	return fmt.Sprintf("%08x-1111-4222-8333-%012x", n*2654435761&0xffffffff, n)
}

func TestSealAndReadBack(t *testing.T) {
	var first, second []ledger.Entry
	for i := range 1000 {
		first = append(first, entry("Patient", uuid(i), 1, pipeline.Deleted))
		second = append(second, entry("Patient", uuid(i), 2, pipeline.Available))
	}
	second = append(second, entry("Observation", "a.plain-ID", 9, pipeline.Locked))
	l := open(t, first, second)
	if l.Entries() != 2001 {
		t.Fatalf("%d entries", l.Entries())
	}
	all := resources(t, l, plenty)
	if len(all) != 1001 {
		t.Fatalf("%d resources", len(all))
	}
	for _, r := range all {
		for _, v := range r.Versions {
			want := entry(string(v.Type), string(v.ID), v.Version, v.Status)
			if fmt.Sprint(v) != fmt.Sprint(want) {
				t.Fatalf("got %v, want %v", v, want)
			}
		}
	}
	r, err := lookup(t.Context(), l, "Patient", uuid(77))
	if err != nil || r == nil || len(r.Versions) != 2 || r.Fate != ledger.Live {
		t.Fatalf("lookup: %+v, %v", r, err)
	}
}

// lookup finds one resource, nil if the ledger does not know it.
func lookup(ctx context.Context, l *ledger.Ledger, typ, id string) (*ledger.Resource, error) {
	for r, err := range l.Find(ctx, map[string]bool{id: true}, plenty) {
		if err != nil || string(r.Type) == typ {
			return r, err
		}
	}
	return nil, nil
}
