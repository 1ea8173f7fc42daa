package ledger_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

var update = flag.Bool("update", false, "rewrite golden files")

// everyForm is a small segment that holds every form of the layout.
func everyForm() []ledger.Entry {
	all := []ledger.Entry{
		entry("Patient", ids[0], 2, pipeline.Available),
		entry("Patient", ids[0], 1, pipeline.Deleted),
		entry("Observation", ids[0], 1, pipeline.Locked),
	}
	for i, id := range ids {
		e := entry(types[i%len(types)], id, uint32(i)<<(3*i), pipeline.DocumentStatus(1+i%5))
		e.Label, e.Folder, e.File, e.Line = digestOf(byte(i/3)), uint32(i), uint32(i*100), uint32(i*1000000)
		e.Object, e.Record, e.Form = uint32(i*i*i), int64(i)<<(6*i), uint32(i%3*0x01020304)
		all = append(all, e)
	}
	for _, why := range identified[3:] {
		if why > pipeline.OverFileCap { // appended since: the golden bytes stay
			break
		}
		all = append(all, skipped("Patient", "quarantine-"+why.String(), 1, pipeline.Available, why))
	}
	all[0].Object, all[0].Record, all[1].Object, all[1].Record = 3, 1000, 5, 10
	all[3].LastUpdated = ledger.UnknownTime
	all[4].LastUpdated = -62135596800000 // year 1
	for i := range 300 {                 // more labels than the dictionary takes
		e := entry("Patient", uuid(i), 1, pipeline.Available)
		e.Label = [32]byte{byte(i), byte(i >> 8), 1}
		all = append(all, e)
	}
	return all
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes differ from the golden %d; a change needs a new version, see docs/ledger.md", path, len(got), len(want))
	}
}

func TestGolden(t *testing.T) {
	golden(t, "rows-v2.golden", rowsOf(everyForm()))
	golden(t, "segment-v2.golden", seal(t, everyForm()))
	golden(t, "empty-segment-v2.golden", seal(t, nil))
	got, err := naiveDecode(seal(t, everyForm()))
	if err != nil || !reflect.DeepEqual(got, inOrder(everyForm())) {
		t.Fatal("the golden segment is not what docs/ledger.md describes", err)
	}
}

// TestHotID: one id with so many versions that its entries fill many blocks and
// the least buffer is filled again and again.
func TestHotID(t *testing.T) {
	var all []ledger.Entry
	const versions = 5000
	for v := uint32(versions); v > 0; v-- {
		all = append(all, entry("Patient", ids[0], v, pipeline.Deleted))
	}
	l := open(t, all[:versions/3], all[versions/3:])
	found := resources(t, l, l.MinMemory())
	if len(found) != 1 || len(found[0].Versions) != versions || found[0].Holes != 0 || found[0].Fate != ledger.Deleted {
		t.Fatalf("%d resources", len(found))
	}
	sum, err := l.Summarize(t.Context(), l.MinMemory())
	if err != nil || sum.Entries != versions || sum.Deleted != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	r, err := lookup(t.Context(), l, "Patient", ids[0])
	if err != nil || len(r.Versions) != versions {
		t.Fatal("lookup", err)
	}
}

// TestBytesPerEntry holds what docs/ledger.md says about sizes.
func TestBytesPerEntry(t *testing.T) {
	several := typical(0, 40000)
	var once []ledger.Entry
	for _, e := range several {
		if e.Version == 1 {
			once = append(once, e)
		}
	}
	for name, c := range map[string]struct {
		entries []ledger.Entry
		most    float64
	}{"one version per id": {once, ledger.EstimatedBytes}, "one to four": {several, 58}} {
		per := float64(len(seal(t, c.entries))) / float64(len(c.entries))
		t.Logf("%s: %.1f bytes per entry", name, per)
		if per > c.most {
			t.Errorf("%s: %.1f bytes per entry, want at most %.0f", name, per, c.most)
		}
	}
}

func TestAppendRowDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 1024)
	for _, e := range everyForm()[:20] {
		if n := testing.AllocsPerRun(10, func() { buf = ledger.AppendRow(buf[:0], &e) }); n != 0 {
			t.Fatalf("%v allocations", n)
		}
	}
}

func TestAppendRowRefusesNoIdentity(t *testing.T) {
	for name, spoil := range map[string]func(*ledger.Entry){
		"no type":    func(e *ledger.Entry) { e.Type = nil },
		"long type":  func(e *ledger.Entry) { e.Type = make([]byte, 65) },
		"no id":      func(e *ledger.Entry) { e.ID = nil },
		"long id":    func(e *ledger.Entry) { e.ID = make([]byte, 65) },
		"no status":  func(e *ledger.Entry) { e.Status = pipeline.StatusUnknown },
		"bad status": func(e *ledger.Entry) { e.Status = pipeline.Deleted + 1 },
		"unreadable": func(e *ledger.Entry) { e.Reason = pipeline.NoType },
		"bad record": func(e *ledger.Entry) { e.Record = -1 },
		"bad reason": func(e *ledger.Entry) { e.Reason = pipeline.OverFileCap + 100 },
	} {
		e := entry("Patient", "a", 1, pipeline.Available)
		spoil(&e)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			ledger.AppendRow(nil, &e)
		}()
	}
}

// TestEqualSortKeys: two ids with the same 64 bits of hash stand in the order of
// their text, and their versions do not mix. Such ids cannot be found, so the
// test forges the keys of the rows.
func TestEqualSortKeys(t *testing.T) {
	a, b := sameLead(t)
	lead := naiveHash([]byte(a))[0]
	n := 0
	for naiveHash([]byte(uuid(n)))[0] != lead || uuid(n)[0] < '8' { // its packed form would sort last
		n++
	}
	var rows []byte
	var want []string
	for _, id := range []string{b, uuid(n), a} {
		for _, version := range []uint32{2, 1} {
			e := entry("Patient", id, version, pipeline.Available)
			rows = ledger.AppendRow(rows, &e)
			want = append(want, fmt.Sprint(id, version))
		}
	}
	for it := ledger.NewRows(rows); it.Next(); {
		copy(it.Row()[6:14], []byte{0, 0, 0, 0, 0, 0, 0, lead})
	}
	var out bytes.Buffer
	if _, err := ledger.Seal(&out, rows, len(want)); err != nil {
		t.Fatal(err)
	}
	entries, err := naiveDecode(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprint(string(e.ID), e.Version))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestSealRefusesDamagedRows(t *testing.T) {
	e := entry("Patient", "plain", 1, pipeline.Available)
	good := rowsOf([]ledger.Entry{e})
	spoilt := func(at int, b byte) []byte { c := bytes.Clone(good); c[at] = b; return c }
	upper := entry("Patient", strings.ToUpper(ids[0]), 1, pipeline.Available)
	form := rowsOf([]ledger.Entry{upper})
	copy(form[len(form)-36:], ids[0])
	for name, c := range map[string]struct {
		rows []byte
		n    int
	}{
		"fewer rows":  {good, 2},
		"more rows":   {append(bytes.Clone(good), good...), 1},
		"cut head":    {good[:20], 1},
		"cut tail":    {good[:len(good)-1], 1},
		"size":        {spoilt(0, good[0]+1), 1},
		"size zero":   {make([]byte, 60), 1},
		"status":      {spoilt(2, 9), 1},
		"reason":      {spoilt(3, 99), 1},
		"type length": {spoilt(4, 0), 1},
		"id length":   {spoilt(5, 200), 1},
		"record":      {spoilt(37, 0x80), 1},
		"id form":     {form, 1},
	} {
		_, err := ledger.Seal(io.Discard, c.rows, c.n)
		if pipeline.KindOf(err) != pipeline.KindFatal {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "plain") {
			t.Errorf("%s: the error holds an id (I10)", name)
		}
	}
}

// failingWriter takes n bytes and then fails.
type failingWriter struct{ n int }

var errFull = &pipeline.Error{Op: "write", Kind: pipeline.KindRetryLater, Err: errors.New("disk full")}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestSealReturnsTheWritersError(t *testing.T) {
	all := typical(0, 5000)
	rows := rowsOf(all)
	size := len(seal(t, all))
	for n := range 5 {
		_, err := ledger.Seal(&failingWriter{size * n / 5}, rows, len(all))
		if !errors.Is(err, errFull) || pipeline.KindOf(err) != pipeline.KindRetryLater {
			t.Fatalf("after %d fifths: %v", n, err)
		}
	}
	if _, err := ledger.Seal(&failingWriter{size}, rows, len(all)); err != nil {
		t.Fatal(err)
	}
}
