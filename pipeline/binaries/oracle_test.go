package binaries

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// expected is what the rules of the issue say about a job: written by hand from
// them, by another way than the pipeline's.
type expected struct {
	lines      map[int]string // by version, in the order of rows
	quarantine []string       // record:reason
	totals     Totals
	entries    []string // id, version, reason, digest
	named      map[string]bool
}

func (j *job) expect() *expected {
	e := &expected{lines: make(map[int]string), named: make(map[string]bool), totals: Totals{Quarantined: map[string]int64{}}}
	c, err := convert.New(convert.Options{Deleted: true})
	if err != nil {
		j.t.Fatal(err)
	}
	var rec convert.Record
	var d digest.Digester
	for i, r := range j.rows {
		line := string(c.Convert(nil, r.json(), &rec))
		prefix := fmt.Sprintf("%s_%d.", r.id, r.version)
		current := with(j.bucket.objects, prefix)
		for _, key := range current {
			e.named[key] = true
		}
		if r.status == "PENDING" {
			continue
		}
		var found want
		if r.data == "" {
			found = j.expectContent(r, prefix, current)
		}
		body, reason, fill := found.body, found.reason, found.fill
		if fill {
			line = strings.TrimSuffix(line, "}\n") + `,"data":"` + base64.StdEncoding.EncodeToString(body) + "\"}\n"
		}
		if reason == "" && int64(len(line)) > min(j.options.Caps.FileBytes, j.options.Caps.FolderBytes) {
			reason = "over-file-cap"
		}
		sum := ""
		if reason == "" {
			e.lines[r.version] += line
			e.totals.Written++
			e.totals.WrittenBytes += int64(len(line))
			e.totals.ContentBytes += int64(len(body))
			if found.erased {
				e.totals.Erased++
			}
			if found.recovered {
				e.totals.Recovered++
			}
			sums, bad := d.Resource([]byte(line[:len(line)-1]))
			if bad != pipeline.NoReason {
				j.t.Fatal(bad)
			}
			sum = fmt.Sprintf("%x%x%x", sums.Content, sums.Label, sums.Form)
		} else {
			e.quarantine = append(e.quarantine, fmt.Sprintf("%d:%s", i+1, reason))
			e.totals.Quarantined[reason]++
		}
		e.entries = append(e.entries, fmt.Sprint(r.id, " ", r.version, " ", reason, " ", sum))
	}
	return e
}

// want is what a row without data gets.
type want struct {
	fill, recovered, erased bool
	body                    []byte
	reason                  string
}

// expectContent: where the content of a row is, if anywhere.
func (j *job) expectContent(r row, prefix string, current []string) want {
	switch len(current) {
	case 1:
		return want{fill: true, body: j.bucket.objects[current[0]].body}
	case 0:
	default:
		return want{reason: "content-ambiguous"}
	}
	var old []string
	if r.status != "DELETED" || j.options.RecoverDeleted {
		old = with(j.bucket.old, prefix)
	}
	switch {
	case len(old) > 1:
		return want{reason: "content-ambiguous"}
	case len(old) == 1:
		return want{fill: true, recovered: true, body: j.bucket.old[old[0]].body}
	case r.status == "DELETED":
		return want{erased: true}
	default:
		return want{reason: "content-missing"}
	}
}

func with(objects map[string]object, prefix string) (keys []string) {
	for key := range objects {
		if matches(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// check compares what a finished job has made with what the rules say.
func (j *job) check(p *Pipeline, orphans Orphans) {
	j.t.Helper()
	want, tree := j.expect(), j.tree()
	j.checkLines(want, tree)
	got := p.Status().Tenants[""]
	if got.Quarantined == nil {
		got.Quarantined = map[string]int64{}
	}
	if !reflect.DeepEqual(got, want.totals) {
		j.t.Errorf("totals %+v\nwant   %+v", got, want.totals)
	}
	j.checkOrphans(want, tree, orphans)
	s := p.Status()
	if s.InFlight != 0 || s.Waiting != 0 || s.BytesInMemory != 0 || s.SpooledBytes != 0 || s.Rows != int64(len(j.rows)) ||
		s.OpenFiles != 0 || s.Files != s.FilesSealed {
		j.t.Errorf("status at the end: %+v", s)
	}
	if entries := j.entries(p); !slices.Equal(sortedCopy(entries), sortedCopy(want.entries)) {
		j.t.Errorf("ledger\n%s\nwant\n%s", strings.Join(entries, "\n"), strings.Join(want.entries, "\n"))
	}
}

func sortedCopy(s []string) []string { return slices.Sorted(slices.Values(s)) }

func (j *job) checkLines(want *expected, tree map[string]string) {
	j.t.Helper()
	seen := 0
	for version, lines := range want.lines {
		got, files := inOrder(tree, fmt.Sprintf("Binary-v%d-", version))
		seen += files
		if got != lines {
			j.t.Fatalf("version %d: %d bytes, want %d", version, len(got), len(lines))
		}
	}
	quarantine, files := inOrder(tree, "_fhirhose/quarantine-Binary-")
	seen += files
	var lines []string
	for line := range strings.Lines(quarantine) {
		var q struct {
			Object, Reason string
			Record         int
			Raw            []byte
		}
		if err := json.Unmarshal([]byte(line), &q); err != nil {
			j.t.Fatal(err)
		}
		if q.Object != j.options.Objects[0].Key || !bytes.Equal(q.Raw, j.rows[q.Record-1].json()) {
			j.t.Errorf("quarantined another row than %d of %s", q.Record, q.Object)
		}
		lines = append(lines, fmt.Sprintf("%d:%s", q.Record, q.Reason))
	}
	if !slices.Equal(lines, want.quarantine) {
		j.t.Errorf("quarantine %v\nwant       %v", lines, want.quarantine)
	}
	folders := make(map[string]int64)
	for name, content := range tree {
		switch {
		case strings.HasPrefix(name, "_fhirhose/ledger/Binary-"), name == OrphansName:
			seen++
		case strings.HasPrefix(name, "Binary"):
			folders[filepath.Dir(name)] += int64(len(content))
			if int64(len(content)) > j.options.Caps.FileBytes {
				j.t.Errorf("%s is over the cap", name)
			}
		}
	}
	for name, size := range folders {
		if size > j.options.Caps.FolderBytes {
			j.t.Errorf("%s is over the cap", name)
		}
	}
	if seen != len(tree) {
		j.t.Errorf("unknown files: %v", slices.Sorted(maps.Keys(tree)))
	}
}

func (j *job) checkOrphans(want *expected, tree map[string]string, got Orphans) {
	j.t.Helper()
	var o Orphans
	var lines string
	for _, key := range slices.Sorted(maps.Keys(j.bucket.objects)) {
		if want.named[key] {
			continue
		}
		b := j.bucket.objects[key]
		line, _ := json.Marshal(map[string]any{"key": key, "bytes": len(b.body), "modified": b.modified.UTC()})
		var again map[string]any
		_ = json.Unmarshal(line, &again)
		lines += fmt.Sprint(again["key"], again["bytes"], again["modified"], "\n")
		if b.modified.After(exportTime) {
			o.Newer++
			o.NewerBytes += int64(len(b.body))
			continue
		}
		if o.Objects == 0 || b.modified.Before(o.Oldest) {
			o.Oldest = b.modified
		}
		if o.Objects == 0 || b.modified.After(o.Newest) {
			o.Newest = b.modified
		}
		o.Objects++
		o.Bytes += int64(len(b.body))
	}
	var read string
	for line := range strings.Lines(tree[OrphansName]) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			j.t.Fatal(err)
		}
		read += fmt.Sprint(l["key"], l["bytes"], l["modified"], "\n")
	}
	if read != lines || got != o {
		j.t.Errorf("orphans\n%s%+v\nwant\n%s%+v", read, got, lines, o)
	}
}

// entries reads the ledger, and the line that each written one names.
func (j *job) entries(p *Pipeline) (all []string) {
	j.t.Helper()
	files, err := p.Output().Sealed()
	if err != nil {
		j.t.Fatal(err)
	}
	var segments []ledger.File
	tree := j.tree()
	for _, f := range files {
		if f.IsLedger() {
			segments = append(segments, bytes.NewReader([]byte(tree[f.Name])))
		}
	}
	l, err := ledger.Open(j.t.Context(), segments)
	if err != nil {
		j.t.Fatal(err)
	}
	for r, err := range l.Resources(j.t.Context(), 1<<20) {
		if err != nil {
			j.t.Fatal(err)
		}
		for _, e := range r.Versions {
			sum := ""
			if e.Written() {
				sum = fmt.Sprintf("%x%x%x", e.Content, e.Label, e.Form)
				name := fmt.Sprintf("Binary-v%d-%d/Binary-v%[1]d-%05[3]d.ndjson", e.Version, e.Folder, e.File)
				lines := strings.Split(tree[name], "\n")
				if int(e.Line) >= len(lines) || !strings.Contains(lines[e.Line], `"id":"`+string(e.ID)+`"`) {
					j.t.Errorf("line %d of %s is another's", e.Line, name)
				}
			}
			all = append(all, fmt.Sprint(string(e.ID), " ", e.Version, " ", e.Reason, " ", sum))
		}
	}
	return all
}

// randomJob is a table and a bucket with everything that goes wrong.
func randomJob(t testing.TB, seed uint64) *job {
	r := rand.New(rand.NewPCG(seed, 1))
	b := newBucket()
	sizes := []int{0, 1, 2, 3, 4, 5, 100, 3071, 3072, 3073, 8191, 8192, 8193, 9216, 20_000, 48_800, 48_900, 49_000, 70_000}
	body := func() []byte {
		p := make([]byte, sizes[r.IntN(len(sizes))])
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		return p
	}
	ids := []string{"a", "ab", "abc", "a.b", "a.b.c", "A", "a-1", "1", "6c5d9ca9-54d7-42f5-bfae-a7c19cd217f2"}
	extensions := []string{"pdf", "false", "jpeg", "tar.gz", "bin"}
	statuses := []string{"AVAILABLE", "AVAILABLE", "AVAILABLE", "LOCKED", "DELETED", "DELETED", "PENDING", "PENDING_DELETE"}
	var rows []row
	for range r.IntN(80) {
		one := row{ids[r.IntN(len(ids))], r.IntN(12) + 1, statuses[r.IntN(len(statuses))], "", ""}
		if r.IntN(12) == 0 {
			one.data = "QUJD"
		}
		rows = append(rows, one)
		key := func() string {
			return fmt.Sprintf("%s_%d.%s", one.id, one.version, extensions[r.IntN(len(extensions))])
		}
		switch r.IntN(8) {
		case 0: // missing
		case 1:
			b.put(key(), body())
			b.put(key(), body()) // maybe another extension
			b.put(key(), body())
		case 2:
			b.old[key()] = object{body: body()}
			b.old[key()] = object{body: body()}
		case 3:
			b.old[key()] = object{body: body()}
		default:
			if len(with(b.objects, fmt.Sprintf("%s_%d.", one.id, one.version))) == 0 {
				b.put(key(), body())
			}
		}
	}
	for range r.IntN(6) {
		b.put(fmt.Sprintf("%s_%d.%s", ids[r.IntN(len(ids))], r.IntN(40), extensions[r.IntN(5)]), body())
		b.put(fmt.Sprintf("folder/%d.x", r.IntN(9)), body())
	}
	j := newJob(t, rows, b)
	j.options.RecoverDeleted = r.IntN(2) == 0
	return j
}

// TestOracle: for random tables and buckets, lines, quarantine, ledger, counts and
// orphans are what the rules say, whatever the number of workers and the memory.
func TestOracle(t *testing.T) {
	shapes := []struct{ fetches, ring, window int }{{1, 16 << 10, 1}, {3, 0, 64}, {16, 40 << 10, 64}}
	for seed := range uint64(16) {
		var first map[string]string
		for _, shape := range shapes {
			j := randomJob(t, seed)
			j.options.Fetches, j.options.Window, j.ring = shape.fetches, shape.window, shape.ring
			p, orphans := j.mustRun()
			j.check(p, orphans)
			if s := p.Status(); s.Cuts == 0 || s.FetchedBytes < s.Tenants[""].ContentBytes {
				t.Errorf("status at the end: %+v", s)
			}
			tree := j.tree()
			if first == nil {
				first = tree
			}
			if !maps.Equal(tree, first) {
				t.Errorf("another output with %+v", shape)
			}
			if left, _ := filepath.Glob(filepath.Join(j.dir, "state", Name, stagedPrefix+"*")); len(left) > 0 {
				t.Errorf("left in state: %v", left)
			}
			if t.Failed() {
				t.Fatalf("seed %d, %+v", seed, shape)
			}
			_ = os.RemoveAll(j.dir)
		}
	}
}
