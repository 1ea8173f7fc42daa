package deleting_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// row is a version of a resource in the source.
type row struct {
	typ, id string
	version uint32
	status  pipeline.DocumentStatus
	reason  pipeline.Reason
	value   int // which content
	text    string
	folder  uint32
	refused bool // by the target, at import
}

func (r row) key() string   { return r.typ + "/" + r.id }
func (r row) written() bool { return r.reason == pipeline.NoReason }

func (r row) body() string {
	b := body(r.typ, r.id, fmt.Sprint(r.value))
	if r.text != "" {
		b = strings.TrimSuffix(b, "}") + `,"data":"` + r.text + `"}`
	}
	return b
}

func (r row) folderName() string {
	if r.typ == "Binary" {
		return fmt.Sprintf("Binary-v%d-%d", r.version, r.folder)
	}
	return fmt.Sprintf("v%d-%d", r.version, r.folder)
}

// body is a content as the target has it.
func body(typ, id, value string) string {
	return `{"id":"` + id + `","meta":{"versionId":"7"},"value":` + value + `.50,"resourceType":"` + typ + `"}`
}

// mark is what the target adds to contents, in tests.
const mark = "http://target.example/mark"

// world is a job that is imported, and its target.
type world struct {
	*testing.T
	rows    []row
	target  *fake
	store   *memory
	options deleting.Options
	log     bytes.Buffer
	perSeg  int // ledger entries in a segment
}

func newWorld(t *testing.T, rows ...row) *world {
	w := &world{T: t, rows: rows, target: newFake(t), perSeg: 7}
	w.store = &memory{buckets: map[string]map[string][]byte{}, fail: func() error { return nil }}
	w.options = deleting.Options{
		State: t.TempDir(), Batch: 3, Parallel: 2, Memory: 4 << 20,
		Marks: verify.Marks{Extensions: []string{mark}},
		Log:   slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	w.target.most = w.options.Batch
	failed := map[string]int{}
	for _, r := range slices.SortedStableFunc(slices.Values(rows), func(a, b row) int { return int(a.version) - int(b.version) }) {
		if !r.written() {
			continue
		}
		failed[r.folderName()] += 0
		if r.refused {
			failed[r.folderName()]++
		} else {
			w.target.put(r.key(), r.body())
		}
	}
	w.store.buckets["import"] = map[string][]byte{}
	for name, n := range failed {
		w.options.Folders = append(w.options.Folders, importing.Folder{Name: name})
		w.store.buckets["import"][name] = fmt.Appendf(nil, `{"over":true,"done":true,"failed":%d}`, n)
	}
	return w
}

// book seals the rows as their ledger.
func (w *world) book() *ledger.Ledger {
	w.Helper()
	var files []ledger.File
	for part := range slices.Chunk(w.rows, w.perSeg) {
		var rows []byte
		for _, r := range part {
			e := ledger.Entry{Type: []byte(r.typ), ID: []byte(r.id), Version: r.version, Status: r.status, Reason: r.reason}
			at := len(rows)
			if r.written() {
				var d digest.Digester
				sums, reason := d.Resource([]byte(r.body()))
				if reason != pipeline.NoReason {
					w.Fatal(reason)
				}
				e.Content, e.Label = sums.Content, sums.Label
			}
			if rows = ledger.AppendRow(rows, &e); r.written() {
				ledger.Row(rows[at:]).SetPlace(r.folder, 0, 0)
			}
		}
		var sealed bytes.Buffer
		if _, err := ledger.Seal(&sealed, rows, len(part)); err != nil {
			w.Fatal(err)
		}
		files = append(files, bytes.NewReader(sealed.Bytes()))
	}
	book, err := ledger.Open(context.Background(), files)
	if err != nil {
		w.Fatal(err)
	}
	return book
}

// run is one process.
func (w *world) run(ctx context.Context) error {
	w.Helper()
	return deleting.New(w.target, w.store, w.book(), w.options).Run(ctx)
}

func (w *world) ran() deleting.Counts {
	w.Helper()
	if err := w.run(w.Context()); err != nil {
		w.Fatal(err)
	}
	return w.result().Counts
}

func (w *world) result() *deleting.Record {
	w.Helper()
	r, err := deleting.Result(w.store, "")
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// kept reads the reasons in the file of what was not deleted, in its order.
func (w *world) kept() (reasons map[string]string) {
	w.Helper()
	reasons = map[string]string{}
	path := deleting.Kept(w.options.State, "", w.result().Pass)
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return reasons
	}
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || info.Mode().Perm() != 0o600 {
		w.Fatal(err, statErr, info)
	}
	last := -1
	for line := range bytes.Lines(content) {
		var it struct {
			N                int
			Type, ID, Reason string
		}
		if err := json.Unmarshal(line, &it); err != nil || it.N <= last {
			w.Fatalf("%v: %s", err, line)
		}
		last = it.N
		reasons[it.Type+"/"+it.ID] = it.Reason
	}
	return reasons
}

// verdict is the oracle: what is to become of a resource, from its rows and what
// the target holds now. It asks no package of ours. "": it is none of ours to delete.
func (w *world) verdict(key string) string {
	var all, last []row
	types := map[string]bool{}
	_, id, _ := strings.Cut(key, "/")
	for _, r := range w.rows {
		if r.reason == pipeline.OtherTenant {
			continue
		}
		if r.id == id {
			types[r.typ] = true
		}
		if r.key() != key {
			continue
		}
		all = append(all, r)
		if r.status == pipeline.Pending {
			continue
		}
		if len(last) > 0 && r.version > last[0].version {
			last = nil
		}
		if len(last) == 0 || r.version == last[0].version {
			last = append(last, r)
		}
	}
	marked, clear, anyWritten := false, true, false
	for _, r := range last {
		marked = marked || r.status == pipeline.Deleted
		clear = clear && r.status == pipeline.Deleted && r.written() && r.value == last[0].value
	}
	for _, r := range all {
		anyWritten = anyWritten || r.written()
	}
	switch {
	case !marked, !clear && !anyWritten:
		return ""
	case !clear:
		return "unsettled"
	case len(types) > 1:
		return "ambiguous"
	}
	held := w.target.held[key]
	if status := w.target.trap(key); status == 400 {
		return "refused-400"
	}
	if held == nil || held.body == nil {
		return "gone"
	}
	if w.options.Exclusive {
		return "deleted"
	}
	if !json.Valid(held.body) {
		return "not-checked"
	}
	mayBeStale := false
	for _, r := range w.rows {
		// The folder of the row that the ledger names last, or of one like it.
		mayBeStale = mayBeStale || r.refused && r.written() && r.folderName() == last[0].folderName()
	}
	for _, r := range all {
		if r.written() && same(held.body, r.body()) && (mayBeStale || r.value == last[0].value) {
			return "deleted"
		}
	}
	return "changed-after-import"
}

// same compares what the target holds with what we sent, less what it adds.
func same(held []byte, sent string) bool {
	return strings.Replace(string(held), `,"extension":[{"url":"`+mark+`/x"}]`, "", 1) == sent
}

// counts are what the verdicts add up to.
func counts(verdicts map[string]string) (c deleting.Counts) {
	for _, v := range verdicts {
		switch v {
		case "deleted":
			c.Deleted++
		case "gone":
			c.Gone++
		case "changed-after-import":
			c.Changed++
		case "not-checked":
			c.Unchecked++
		case "refused-400":
			c.Refused++
		case "unsettled":
			c.Unsettled++
		case "ambiguous":
			c.Ambiguous++
		}
	}
	return c
}

// randomRows are histories of all kinds.
func randomRows(dice *rand.Rand) (rows []row) {
	types := []string{"Patient", "Observation", "Binary"}
	pick := func(weights ...int) int {
		sum := 0
		for _, n := range weights {
			sum += n
		}
		for i, at := 0, dice.IntN(sum); ; i++ {
			if at -= weights[i]; at < 0 {
				return i
			}
		}
	}
	statuses := []pipeline.DocumentStatus{pipeline.Deleted, pipeline.Available, pipeline.Pending, pipeline.Locked, pipeline.PendingDelete}
	reasons := []pipeline.Reason{pipeline.NoReason, pipeline.IsDeleted, pipeline.AfterUntil, pipeline.BadMeta, pipeline.OtherTenant}
	folders := map[string]uint32{} // one for each resource and version
	for n := range 5 + dice.IntN(30) {
		id := fmt.Sprintf("id-%d", n)
		typ := types[dice.IntN(len(types))]
		for v := range uint32(1 + dice.IntN(4)) {
			for range 1 + pick(12, 1) { // duplicates
				r := row{
					typ: typ, id: id, version: v + 1, status: statuses[pick(10, 6, 1, 1, 1)], reason: reasons[pick(20, 1, 1, 1, 1)],
					value: dice.IntN(3), refused: dice.IntN(12) == 0,
				}
				if r.status == pipeline.Pending {
					r.reason = pipeline.IsPending
				}
				if _, ok := folders[r.key()+fmt.Sprint(v)]; !ok {
					folders[r.key()+fmt.Sprint(v)] = uint32(dice.IntN(3))
				}
				r.folder = folders[r.key()+fmt.Sprint(v)]
				rows = append(rows, r)
			}
		}
		if dice.IntN(8) == 0 { // an id of two types
			rows = append(rows, row{typ: types[(slices.Index(types, typ)+1)%3], id: id, version: 1, status: statuses[pick(1, 1, 1)]})
			if last := &rows[len(rows)-1]; last.status == pipeline.Pending {
				last.reason = pipeline.IsPending
			}
		}
	}
	dice.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

// interfere is somebody else at work in the target after the import.
func (w *world) interfere(dice *rand.Rand) {
	for _, key := range slices.Sorted(func(yield func(string) bool) {
		for key := range w.target.held {
			if !yield(key) {
				return
			}
		}
	}) {
		h := w.target.held[key]
		typ, id, _ := strings.Cut(key, "/")
		switch dice.IntN(12) {
		case 0:
			w.target.put(key, body(typ, id, "99"))
		case 1: // an older content of ours, or the same once more
			w.target.put(key, body(typ, id, fmt.Sprint(dice.IntN(3))))
		case 2:
			h.body = nil
		case 3:
			delete(w.target.held, key)
		case 4:
			h.large = true
			if dice.IntN(2) == 0 {
				w.target.put(key, body(typ, id, "98"))
			}
		case 5:
			h.body = []byte(`{"id":`)
		case 6, 7:
			h.body = []byte(strings.TrimSuffix(string(h.body), "}") + `,"extension":[{"url":"` + mark + `/x"}]}`)
		}
	}
}

// noneLeft checks that a directory has no file but these.
func noneLeft(t *testing.T, dir string, wanted ...string) {
	t.Helper()
	_ = fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !slices.Contains(wanted, path) {
			t.Errorf("%s is left", path)
		}
		return err
	})
}

// cutOff removes the last byte of a file.
func cutOff(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-1)
	}
	if err != nil {
		t.Fatal(err)
	}
}
