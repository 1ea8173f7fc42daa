package replaying_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/replaying"
)

// world is a job, a checkpoint and a target in memory.
type world struct {
	*testing.T
	state   string
	entries []ledger.Entry
	files   map[string]string
	records map[string]*importing.Record

	held     map[string][]string // bodies by Type/id; "" is a deletion
	status   func(key string) int
	afterPut func(key string)
	puts     int
}

func newWorld(t *testing.T) *world {
	return &world{
		T: t, state: t.TempDir(), files: map[string]string{}, records: map[string]*importing.Record{}, held: map[string][]string{},
		status: func(string) int { return 0 }, afterPut: func(string) {},
	}
}

func body(id string, version int, more string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"n":%d%s}`, id, version, more)
}

// write adds a version to the output, and refused, to the failures of its folder.
func (w *world) write(id string, version uint32, refused bool, more string) {
	w.Helper()
	text := body(id, int(version), more)
	var d digest.Digester
	sums, reason := d.Resource([]byte(text))
	if reason != pipeline.NoReason {
		w.Fatal(reason)
	}
	e := ledger.Entry{
		Type: []byte("Patient"), ID: []byte(id), Version: version, Status: pipeline.Available, Content: sums.Content, Label: sums.Label,
	}
	folder, file := e.Place()
	e.Line = uint32(strings.Count(w.files[file], "\n"))
	w.entries = append(w.entries, e)
	w.files[file] += text + "\n"
	if w.records[folder] == nil {
		w.records[folder] = &importing.Record{Job: "j", Over: true, Done: true, Ended: time.Unix(1000, 0)}
	}
	r := w.records[folder]
	r.Scanned++
	if !refused {
		r.Imported++
		w.held["Patient/"+id] = append(w.held["Patient/"+id], text)
		return
	}
	r.Failed++
	w.fail(folder, file, int64(e.Line), "Patient/"+id)
}

func (w *world) fail(folder, file string, line int64, raw string) {
	w.Helper()
	path := importing.Failures(w.state, "", folder)
	text, err := json.Marshal(map[string]any{"folder": folder, "job": "j", "file": file, "line": line, "reason": "r", "raw": []byte(raw)})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		var before []byte
		before, _ = os.ReadFile(path)
		err = os.WriteFile(path, append(append(before, text...), '\n'), 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// Each and Commit are the checkpoint.
func (w *world) Each(bucket string, f func(string, []byte) error) error {
	if bucket != "import" {
		return nil
	}
	for name, r := range w.records {
		text, err := json.Marshal(r)
		if err == nil {
			err = f(name, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Commit(changes []output.Change) error {
	for _, c := range changes {
		w.records[c.Key] = new(importing.Record)
		if err := json.Unmarshal(c.Value, w.records[c.Key]); err != nil {
			return err
		}
	}
	return nil
}

// Look and Put are the target.
func (w *world) Look(_ context.Context, all []deleting.Resource, f func(int, deleting.Found)) error {
	for i, r := range all {
		versions := w.held[r.Type+"/"+r.ID]
		found := deleting.Found{Status: 404}
		if n := len(versions); n > 0 {
			found = deleting.Found{Status: 200, Version: fmt.Sprint(n), Body: []byte(versions[n-1])}
			if versions[n-1] == "" {
				found = deleting.Found{Status: 410}
			}
		}
		f(i, found)
	}
	return nil
}

func (w *world) Put(_ context.Context, puts []replaying.Put) (statuses []int, at time.Time, err error) {
	for _, p := range puts {
		key := p.Type + "/" + p.ID
		status := w.status(key)
		switch {
		case status != 0:
		case p.Version != "" && p.Version != fmt.Sprint(len(w.held[key])), p.Version == "" && len(w.held[key]) > 0:
			status = 412
		default:
			w.held[key] = append(w.held[key], string(p.Body))
			w.puts++
			status = 200
		}
		w.afterPut(key)
		statuses = append(statuses, status)
	}
	return statuses, time.Unix(2000, 0), nil
}

func (w *world) run() (replaying.Counts, error) {
	w.Helper()
	var rows []byte
	for i := range w.entries {
		at := len(rows)
		rows = ledger.AppendRow(rows, &w.entries[i])
		if w.entries[i].Written() {
			ledger.Row(rows[at:]).SetPlace(w.entries[i].Folder, w.entries[i].File, w.entries[i].Line)
		}
	}
	var sealed bytes.Buffer
	if _, err := ledger.Seal(&sealed, rows, len(w.entries)); err != nil {
		w.Fatal(err)
	}
	book, err := ledger.Open(w.Context(), []ledger.File{bytes.NewReader(sealed.Bytes())})
	if err != nil {
		w.Fatal(err)
	}
	return replaying.New(w, w, book, replaying.Options{
		State: w.state, Batch: 2, Memory: 1 << 20, AtOnce: 2, Log: slog.New(slog.DiscardHandler),
		Resource: func(raw []byte) (string, string) {
			kind, id, _ := strings.Cut(string(raw), "/")
			return kind, id
		},
		Open: func(_ context.Context, name string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(w.files[name])), nil
		},
	}).Run(w.Context())
}

// want runs to the end and checks what the run says, and what is left of the failures.
func (w *world) want(counts replaying.Counts, failures int64) {
	w.Helper()
	got, err := w.run()
	if err != nil || got != counts {
		w.Errorf("%+v, %v, want %+v", got, err, counts)
	}
	left, kept := int64(0), int64(0)
	for folder, r := range w.records {
		left += r.Failed
		if r.Imported+r.Failed != r.Scanned || r.Taken > r.Imported {
			w.Errorf("%s: %+v", folder, r)
		}
		if err := importing.EachFailure(w.state, "", folder, func(importing.Kept) error { kept++; return nil }); err != nil {
			w.Error(err)
		}
	}
	if left != failures || kept != failures {
		w.Errorf("%d failures are counted, %d kept, want %d", left, kept, failures)
	}
}

// holds checks the versions that the target has, in order.
func (w *world) holds(id string, want ...int) {
	w.Helper()
	var got []int
	for _, text := range w.held["Patient/"+id] {
		n := 0
		if text != "" {
			_, _ = fmt.Sscanf(text[strings.Index(text, `"n":`)+4:], "%d", &n)
		}
		got = append(got, n)
	}
	if !slices.Equal(got, want) {
		w.Errorf("%s: versions %v, want %v", id, got, want)
	}
}

// TestRules: what is sent, and what never is (I11).
func TestRules(t *testing.T) {
	w := newWorld(t)
	w.write("stale", 1, false, "")
	w.write("stale", 2, true, "")
	w.write("overtaken", 1, true, "")
	w.write("overtaken", 2, false, "")
	w.write("gone", 1, false, "")
	w.write("gone", 2, true, "")
	w.held["Patient/gone"] = append(w.held["Patient/gone"], "")
	w.write("absent", 1, true, "")
	w.write("absent", 2, true, "")
	w.write("taken", 1, true, "") // but somebody else wrote one of this id
	w.held["Patient/taken"] = []string{body("taken", 77, "")}
	w.write("large", 1, true, `,"x":"`+strings.Repeat("x", pipeline.MaxRecordBytes)+`"`)
	w.write("behind", 1, true, "") // in the same file, behind the large one
	w.write("twice", 1, true, "")
	w.write("twice", 1, true, "") // which of them?
	w.write("told twice", 1, true, "")
	w.records["v1-0"].Failed++
	w.records["v1-0"].Scanned++
	last := w.entries[len(w.entries)-1]
	w.fail("v1-0", "v1-0/Patient-v1-00000.ndjson", int64(last.Line)+1, "Patient/told twice")
	for _, version := range []uint32{2, 10} { // in the order of numbers, not of names
		w.write("many", version, true, "")
	}
	w.write("deleted", 1, true, "")
	w.entries = append(w.entries, ledger.Entry{Type: []byte("Patient"), ID: []byte("deleted"), Version: 2, Status: pipeline.Deleted, Reason: pipeline.BadNumber})
	w.records["v1-0"].Failed++
	w.records["v1-0"].Scanned++
	w.fail("v1-0", "v1-0/Patient-v1-00000.ndjson", 99, "Patient/unknown")
	w.want(replaying.Counts{Taken: 6, Overtaken: 1, Changed: 2, Deleted: 1, Unplaced: 5, Large: 1}, 10)
	w.holds("stale", 1, 2)
	w.holds("overtaken", 2)
	w.holds("gone", 1, 0)
	w.holds("absent", 1, 2)
	w.holds("taken", 77)
	w.holds("behind", 1)
	w.holds("twice")
	w.holds("told twice")
	w.holds("many", 2, 10)
	w.holds("deleted")
	if at := w.records["v2-0"].Ended; !at.Equal(time.Unix(2000, 0)) {
		t.Errorf("ended %v", at)
	}
	w.want(replaying.Counts{Overtaken: 1, Changed: 2, Deleted: 1, Unplaced: 5, Large: 1}, 10)
}

// TestLaterFolder: an import that stopped: what lies in folders that are not sent yet
// neither counts as taken nor is sent.
func TestLaterFolder(t *testing.T) {
	w := newWorld(t)
	w.write("a", 1, true, "")
	w.write("a", 2, false, "")
	w.held = map[string][]string{}
	delete(w.records, "v2-0")
	w.want(replaying.Counts{Taken: 1}, 0)
	w.holds("a", 1)
	w.records["v1-0"].Done = false
	if _, err := w.run(); pipeline.KindOf(err) != pipeline.KindConfig {
		t.Error(err)
	}
}

// TestTrouble: the target is busy, is changed in between, and refuses again.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, id := range []string{"busy", "between", "refused", "never"} {
			w.write(id, 1, false, "")
			w.write(id, 2, true, "")
		}
		tries := map[string]int{}
		w.status = func(key string) int {
			tries[key]++
			switch {
			case key == "Patient/busy" && tries[key] < 4:
				return 503
			case key == "Patient/between" && tries[key] == 1:
				w.held[key] = append(w.held[key], body("between", 5, ""))
				return 412
			case key == "Patient/refused":
				return 422
			case key == "Patient/never":
				return 412
			}
			return 0
		}
		w.want(replaying.Counts{Taken: 1, Changed: 1, Refused: 2}, 3)
		w.holds("busy", 1, 2)
		w.holds("between", 1, 5)
		w.status = func(string) int { return 429 }
		began := time.Now()
		if _, err := w.run(); pipeline.KindOf(err) != pipeline.KindRetryLater || time.Since(began) < 15*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestKilled: a kill before or after a call, and a journal whose end is torn: nothing
// is sent twice.
func TestKilled(t *testing.T) {
	killed := errors.New("killed")
	for at := 1; ; at++ {
		w := newWorld(t)
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			w.write(id, 1, false, "")
			w.write(id, 2, true, "")
			w.write(id, 3, true, "")
		}
		n := 0
		remove := faultpoint.Set(func(point string) error {
			if n++; n == at && strings.HasPrefix(point, "replay") {
				return killed
			}
			return nil
		})
		_, err := w.run()
		remove()
		if path := replaying.Journal(w.state, ""); err != nil {
			if file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err == nil {
				_, _ = file.WriteString(`{"file":"` + strings.Repeat("torn", 1000))
				_ = file.Close()
			}
		}
		if errors.Is(err, killed) {
			if _, err := w.run(); err != nil {
				t.Fatal(err)
			}
		}
		w.want(replaying.Counts{}, 0)
		text, err := os.ReadFile(replaying.Journal(w.state, ""))
		for line := range strings.Lines(string(text)) {
			if !json.Valid([]byte(line)) {
				t.Errorf("killed at %d: the journal is damaged", at)
			}
		}
		if err != nil {
			t.Error(err)
		}
		if w.puts != 10 {
			t.Errorf("killed at %d: %d writes", at, w.puts)
		}
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			w.holds(id, 1, 2, 3)
		}
		if n < at {
			break
		}
	}
}

// TestLines: what lies in the sink must be what the ledger says.
func TestLines(t *testing.T) {
	for _, change := range []func(string) string{
		func(string) string { return "" },
		func(s string) string { return strings.TrimSuffix(s, "\n") },
		func(s string) string { return strings.Replace(s, `"n":2`, `"n":3`, 1) },
		func(s string) string { return "{}\n" + s },
	} {
		w := newWorld(t)
		w.write("a", 1, false, "")
		w.write("a", 2, true, "")
		file := "v2-0/Patient-v2-00000.ndjson"
		w.files[file] = change(w.files[file])
		if _, err := w.run(); pipeline.KindOf(err) != pipeline.KindFatal || w.puts != 0 {
			t.Errorf("%v, %d writes", err, w.puts)
		}
	}
}
