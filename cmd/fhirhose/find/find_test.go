package find_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/find"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// bookOf seals entries.
func bookOf(t *testing.T, entries ...ledger.Entry) *ledger.Ledger {
	t.Helper()
	var rows []byte
	for i := range entries {
		row := ledger.AppendRow(nil, &entries[i])
		if entries[i].Written() {
			ledger.Row(row).SetPlace(entries[i].Folder, entries[i].File, entries[i].Line)
		}
		rows = append(rows, row...)
	}
	var sealed strings.Builder
	if _, err := ledger.Seal(&sealed, rows, len(entries)); err != nil {
		t.Fatal(err)
	}
	book, err := ledger.Open(t.Context(), []ledger.File{strings.NewReader(sealed.String())})
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func entry(id string, version, line uint32) ledger.Entry {
	return ledger.Entry{
		Type: []byte("Patient"), ID: []byte(id), Version: version, Status: pipeline.Available,
		LastUpdated: ledger.UnknownTime, Line: line,
	}
}

// TestRefusalWithoutName: the target names file and line alone, from 0 or from 1.
func TestRefusalWithoutName(t *testing.T) {
	state := t.TempDir()
	path := importing.Failures(state, "t", "v1-0")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	failure := func(line int) string {
		return fmt.Sprintf(`{"folder":"v1-0","job":"j","file":"v1-0/Patient-v1-00000.ndjson","line":%d,"reason":"exception","raw":""}`+"\n", line)
	}
	if err := os.WriteFile(path, []byte(failure(11)+failure(20)), 0o600); err != nil {
		t.Fatal(err)
	}
	f := find.Finder{
		Objects: []string{"o"},
		Tenant:  "t", State: state, Memory: 1 << 20, Ledger: bookOf(t, entry("a", 1, 9), entry("b", 1, 10), entry("c", 1, 11), entry("d", 1, 12)),
		Imports: map[string]*importing.Record{"v1-0": {Job: "j", Status: "COMPLETED_WITH_ERRORS", Done: true, Failed: 2}},
		Refused: func([]byte) (string, string) { return "", "" },
	}
	answers, err := f.Answer(t.Context(), []find.Question{{ID: "a"}, {ID: "b"}, {ID: "c"}, {Type: "Patient", ID: "d"}, {Type: "Group", ID: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := find.WriteText(&text, answers); err != nil {
		t.Fatal(err)
	}
	neighbour := "; the target refused this line or a neighbour: exception, told in " + path + ", line 1"
	version := func(line int, more string) string {
		return fmt.Sprintf("  v1  AVAILABLE  (no readable lastUpdated)  v1-0/Patient-v1-00000.ndjson, line %d; record 0 of o; imported by job j (COMPLETED_WITH_ERRORS)%s\n", line, more)
	}
	live := " of tenant t: live: the target must hold its last version\n"
	want := "Patient/a" + live + version(10, "") + "Patient/b" + live + version(11, neighbour) + "Patient/c" + live + version(12, neighbour) +
		"Patient/d" + live + version(13, "") + "Group/a of tenant t: the ledger does not know it\n"
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &text, want)
	}
}

// TestAnswersNameTheSource: where each version was read from, whatever became of it.
func TestAnswersNameTheSource(t *testing.T) {
	bad, good := entry("a", 2, 0), entry("a", 1, 6)
	bad.Reason, bad.Object, bad.Record, good.Record = pipeline.BadNumber, 1, 3, 4711
	f := find.Finder{Memory: 1 << 20, Ledger: bookOf(t, bad, good, bad), Objects: []string{"data/x.json.gz", "data/y.json.gz"}}
	answers, err := f.Answer(t.Context(), []find.Question{{ID: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := find.WriteText(&text, answers); err != nil {
		t.Fatal(err)
	}
	quarantined := "  v2  AVAILABLE  (no readable lastUpdated)  quarantined: bad-number; record 3 of data/y.json.gz\n"
	want := "Patient/a: unsettled: its last version was not written, so it is never deleted and never equal; duplicate rows: 1\n" +
		"  v1  AVAILABLE  (no readable lastUpdated)  v1-0/Patient-v1-00000.ndjson, line 7; record 4711 of data/x.json.gz\n" + quarantined + quarantined
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &text, want)
	}
	f.Objects = f.Objects[:1]
	if _, err := f.Answer(t.Context(), []find.Question{{ID: "a"}}); pipeline.KindOf(err) != pipeline.KindFatal || pipeline.HintOf(err) == "" {
		t.Error(err)
	}
}
