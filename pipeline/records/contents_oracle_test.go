package records_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/metrics"
)

// outcome is what became of a tenant's Binaries, or should: multisets, sorted.
type outcome struct {
	Lines      []string // folder's version and canonical JSON
	Quarantine []string // reason and source bytes
	Entries    []string // of the ledger
	Objects    int64    // whose bytes were written
	Bytes      int64    // of those
	Erased     int64
	Recovered  int64
	Filtered   map[string]int64
}

// expectation is a whole job's.
type expectation struct {
	tenants map[string]*outcome
	orphans map[string][]string // keys by tenant
	newer   int64
	foreign int64 // Binaries of other tenants than the job's
}

func (e *expectation) of(tenant string) *outcome {
	if e.tenants[tenant] == nil {
		e.tenants[tenant] = &outcome{Filtered: map[string]int64{}}
	}
	return e.tenants[tenant]
}

// oracle says what the rules of the issue make of an export and a directory. It
// shares no code with the pipelines: WB4 to WB10 and WB14 stand here in other words.
type oracle struct {
	t       testing.TB
	tenant  string // of the job
	recover bool
	field   string
	maxLine int
	now     map[string]int64 // sizes by key
	old     map[string]int64
	named   map[string]bool
	dir     map[*map[string]int64]string
}

func expect(t testing.TB, j contentsJob) *expectation {
	o := &oracle{
		t: t, tenant: j.Options.Convert.Tenant, recover: j.Options.Binaries.RecoverDeleted, field: j.Options.Convert.BinaryField,
		maxLine: int(min(j.Options.Binaries.Caps.FileBytes, j.Options.Binaries.Caps.FolderBytes)),
		now:     sizes(t, j.Contents), old: sizes(t, j.Old), named: map[string]bool{},
	}
	o.dir = map[*map[string]int64]string{&o.now: j.Contents, &o.old: j.Old}
	e := &expectation{tenants: map[string]*outcome{}, orphans: map[string][]string{}}
	for _, text := range exportRows(t, j.Export) {
		o.row(e, text)
	}
	for _, of := range e.tenants {
		of.sort()
	}
	for key := range o.now {
		switch {
		case o.named[key], o.tenant != "" && o.tenant != "*" && !strings.HasPrefix(key, o.tenant+"/"):
		default:
			of := ""
			if folder, _, ok := strings.Cut(key, "/"); ok && o.tenant == "*" && e.tenants[folder] != nil {
				of = folder
			}
			e.orphans[of] = append(e.orphans[of], key)
			if strings.HasSuffix(key, ".newer") {
				e.newer++
			}
		}
	}
	for _, keys := range e.orphans {
		slices.Sort(keys)
	}
	return e
}

func (o *outcome) sort() {
	slices.Sort(o.Lines)
	slices.Sort(o.Quarantine)
	slices.Sort(o.Entries)
}

// exportRows reads every row of an export with nothing of ours.
func exportRows(t testing.TB, dir string) (rows []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "data", "*.gz"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		rows = append(rows, rowsIn(t, name)...)
	}
	return rows
}

// rowsIn reads the rows of one object.
func rowsIn(t testing.TB, name string) (rows []string) {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	in, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		rows = append(rows, strings.TrimSuffix(line, "\n"))
	}
	return rows
}

func sizes(t testing.TB, root string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, file := range filesBelow(t, root) {
		info, err := os.Stat(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		all[file] = info.Size()
	}
	return all
}

func filesBelow(t testing.TB, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// plain turns a value of DynamoDB into one of FHIR.
func plain(v any) any {
	for kind, value := range v.(map[string]any) {
		switch kind {
		case "N":
			return json.Number(value.(string))
		case "L":
			list := []any{}
			for _, one := range value.([]any) {
				list = append(list, plain(one))
			}
			return list
		case "M":
			object := map[string]any{}
			for name, one := range value.(map[string]any) {
				object[name] = plain(one)
			}
			return object
		default:
			return value
		}
	}
	panic("a value without type")
}

// row adds what becomes of one row, if it is a Binary.
func (o *oracle) row(e *expectation, text string) {
	var row struct{ Item map[string]map[string]any }
	if json.Unmarshal([]byte(text), &row) != nil || row.Item["resourceType"]["S"] != "Binary" {
		return
	}
	attribute := func(name, kind string) string {
		value, _ := row.Item[name][kind].(string)
		return value
	}
	tenant, id, version, status := "", attribute("id", "S"), attribute("vid", "N"), attribute("documentStatus", "S")
	if o.tenant != "" {
		tenant = attribute("_tenantId", "S")
		if status == "NONSENSE" { // of no identity: asked first
			of := e.of(o.folder(tenant))
			of.Quarantine = append(of.Quarantine, "bad-status "+text)
			return
		}
		if o.tenant != "*" && tenant != o.tenant {
			e.foreign++
			return
		}
		plainID := attribute("_id", "S")
		if id != tenant+"|"+plainID {
			of := e.of(o.folder(""))
			of.Quarantine = append(of.Quarantine, "tenant-mismatch "+text)
			if o.tenant != "*" { // whose else
				o.name(tenant+"/", plainID, version)
				of.Entries = append(of.Entries, fmt.Sprint(plainID, " ", version, " tenant-mismatch"))
			}
			return
		}
		id = plainID
	}
	prefix := tenant
	if prefix != "" {
		prefix += "/"
	}
	of := e.of(o.folder(tenant))
	if status == "NONSENSE" { // of no identity: no object is its own
		of.Quarantine = append(of.Quarantine, "bad-status "+text)
		return
	}
	found := o.name(prefix, id, version)
	reason := ""
	defer func() { of.Entries = append(of.Entries, strings.TrimSpace(fmt.Sprint(id, " ", version, " ", reason))) }()
	if status == "PENDING" || attribute2(row.Item, "meta", "lastUpdated") > untilBound {
		reason = map[bool]string{true: "pending", false: "after-until"}[status == "PENDING"]
		of.Filtered[reason]++
		return
	}
	line := map[string]any{}
	for name, value := range row.Item {
		if !slices.Contains(strings.Fields("documentStatus lockEndTs vid _references _tenantId _id _subscriptionStatus"), name) {
			line[name] = plain(value)
		}
	}
	line["id"] = id
	if bad, _ := row.Item["meta2"]["N"].(string); bad == "none" {
		reason = "bad-number"
	}
	tag(line, status)
	from, recovered := &o.now, false
	_, has := line[o.field]
	if len(found) == 0 && !has && (status != "DELETED" || o.recover) {
		found, from, recovered = with(o.old, prefix+id+"_"+version+"."), &o.old, true
	}
	switch {
	case reason != "" || has:
	case len(found) == 0 && status == "DELETED":
		of.Erased++
	case len(found) == 0:
		reason = "content-missing"
	case len(found) > 1:
		reason = "content-ambiguous"
	default:
		content, err := os.ReadFile(filepath.Join(o.dir[from], filepath.FromSlash(found[0])))
		if err != nil {
			o.t.Fatal(err)
		}
		line[o.field] = base64.StdEncoding.EncodeToString(content)
		if len(canonical(o.t, line)) > o.maxLine {
			reason = "over-file-cap"
			break
		}
		of.Objects++
		of.Bytes += int64(len(content))
		if recovered {
			of.Recovered++
		}
	}
	if reason != "" {
		of.Quarantine = append(of.Quarantine, reason+" "+text)
		return
	}
	of.Lines = append(of.Lines, "v"+version+" "+canonical(o.t, line))
}

// folder is where a tenant's records go: one for all, unless the job has all.
func (o *oracle) folder(tenant string) string {
	if o.tenant == "*" {
		return tenant
	}
	return ""
}

// name notes the listed objects that a row names, and returns them.
func (o *oracle) name(folder, id, version string) []string {
	found := with(o.now, folder+id+"_"+version+".")
	for _, key := range found {
		o.named[key] = true
	}
	return found
}

func with(objects map[string]int64, prefix string) (keys []string) {
	for key := range objects {
		if rest, ok := strings.CutPrefix(key, prefix); ok && !strings.Contains(rest, "/") {
			keys = append(keys, key)
		}
	}
	return keys
}

func attribute2(item map[string]map[string]any, outer, inner string) string {
	members, _ := item[outer]["M"].(map[string]any)
	value, _ := members[inner].(map[string]any)
	text, _ := value["S"].(string)
	return text
}

func tag(line map[string]any, status string) {
	meta := line["meta"].(map[string]any)
	tags, _ := meta["tag"].([]any)
	tags = append(tags, map[string]any{"display": meta["lastUpdated"], "code": "originalLastUpdated"})
	if status == "DELETED" {
		tags = append(tags, map[string]any{"display": "DELETED", "code": "DELETED"})
	}
	meta["tag"] = tags
}

// canonical is a line's text with keys in order, as long as the line is.
func canonical(t testing.TB, v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var binaryFile = regexp.MustCompile(`^Binary-(v[0-9]+)-[0-9]+/Binary-v[0-9]+-[0-9]{5}\.ndjson$`)

// made reads what a job has written into a folder of its sink.
func made(t testing.TB, folder string, caps int64) *outcome {
	t.Helper()
	o := &outcome{}
	files := map[string][]string{}
	for _, name := range filesBelow(t, folder) {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(content), "\n")
		lines = lines[:len(lines)-1]
		switch of := binaryFile.FindStringSubmatch(name); {
		case of != nil:
			if int64(len(content)) > caps {
				t.Errorf("%s: %d bytes", name, len(content))
			}
			files[name] = lines
			for _, line := range lines {
				var v any
				d := json.NewDecoder(strings.NewReader(line))
				d.UseNumber()
				if err := d.Decode(&v); err != nil {
					t.Fatal(name, err)
				}
				o.Lines = append(o.Lines, of[1]+" "+canonical(t, v))
			}
		case strings.Contains(name, "quarantine-"):
			for _, line := range lines {
				var q struct {
					Reason string
					Raw    []byte
				}
				if err := json.Unmarshal([]byte(line), &q); err != nil {
					t.Fatal(name, err)
				}
				q.Reason, _, _ = strings.Cut(q.Reason, ":") // an element path
				if strings.Contains(string(q.Raw), `"S":"Binary"`) {
					o.Quarantine = append(o.Quarantine, q.Reason+" "+string(q.Raw))
				}
			}
		}
	}
	o.Entries = ledgerOf(t, folder, files)
	o.sort()
	return o
}

// ledgerOf lists the entries of Binaries, and looks up the line that each names.
func ledgerOf(t testing.TB, folder string, files map[string][]string) (all []string) {
	t.Helper()
	for r, err := range openLedger(t, folder).Resources(t.Context(), 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Type) != "Binary" {
			continue
		}
		for _, e := range r.Versions {
			all = append(all, strings.TrimSpace(fmt.Sprint(string(e.ID), " ", e.Version, " ", e.Reason)))
			if !e.Written() {
				continue
			}
			lines := files[fmt.Sprintf("Binary-v%d-%d/Binary-v%[1]d-%05[3]d.ndjson", e.Version, e.Folder, e.File)]
			if int(e.Line) >= len(lines) || !strings.Contains(lines[e.Line], fmt.Sprintf(`"id":%q`, e.ID)) {
				t.Errorf("%s %d is not in its line", e.ID, e.Version)
			}
		}
	}
	return all
}

// checkContents compares all that a finished job left with the oracle.
func checkContents(t *testing.T, j contentsJob, s *metrics.Status) {
	t.Helper()
	want := expect(t, j)
	var sum outcome
	read, quarantined := want.foreign, map[string]int64{}
	for tenant, w := range want.tenants {
		got := made(t, j.folderOf(tenant), j.Options.Binaries.Caps.FileBytes)
		same(t, tenant+" lines", got.Lines, w.Lines)
		same(t, tenant+" quarantine", got.Quarantine, w.Quarantine)
		if j.Options.Convert.Tenant != "*" || tenant != "" {
			same(t, tenant+" ledger", got.Entries, w.Entries)
		}
		if of := s.Tenants[tenant]; of != nil {
			checkTenant(t, tenant, of.Binaries, w)
		}
		sum.Erased += w.Erased
		sum.Recovered += w.Recovered
		sum.Bytes += w.Bytes
		sum.Lines = append(sum.Lines, w.Lines...)
		for _, line := range w.Quarantine {
			reason, _, _ := strings.Cut(line, " ")
			quarantined[reason]++
		}
		read += int64(len(w.Entries))
	}
	b, of := s.Binaries, s.Types["Binary"]
	if b == nil || b.Erased != sum.Erased || b.Recovered != sum.Recovered || b.ContentBytes != sum.Bytes || b.Written != int64(len(sum.Lines)) {
		t.Fatalf("binaries %+v\nwant %d lines, %d bytes, %d erased, %d recovered", b, len(sum.Lines), sum.Bytes, sum.Erased, sum.Recovered)
	}
	if sum.Recovered == 0 || sum.Erased == 0 || len(sum.Lines) == 0 || b.Waiting != 0 || b.InFlight != 0 {
		t.Errorf("binaries %+v", b)
	}
	delete(quarantined, "bad-status")    // counted as unreadable
	if j.Options.Convert.Tenant == "*" { // without a certain tenant, it has a type all the same
		read += quarantined["tenant-mismatch"]
	}
	if of.Written != b.Written || of.BytesWritten != b.BytesWritten || !maps.Equal(of.Quarantined, quarantined) || of.Read != read {
		t.Errorf("totals %+v\nwant %d read, quarantined %v", of, read, quarantined)
	}
	if len(s.Unbalanced()) > 0 || s.Read() != s.Written()+s.Filtered()+s.Quarantined() {
		t.Errorf("read %d, written %d, filtered %d, quarantined %d", s.Read(), s.Written(), s.Filtered(), s.Quarantined())
	}
	if j.All {
		checkSums(t, s)
	}
	checkOrphans(t, j, s, want)
}

// checkTenant compares what the report says of one tenant's Binaries with the
// oracle. Its quarantine also has what the record pipeline puts there.
func checkTenant(t *testing.T, tenant string, got *metrics.BinaryCounts, w *outcome) {
	t.Helper()
	if got == nil {
		if len(w.Lines) > 0 || w.Bytes > 0 {
			t.Errorf("%q: nothing is said of %d Binaries", tenant, len(w.Lines))
		}
		return
	}
	reasons := map[string]int64{}
	for _, line := range w.Quarantine {
		if reason, _, _ := strings.Cut(line, " "); strings.HasPrefix(reason, "content-") || reason == "over-file-cap" {
			reasons[reason]++
		}
	}
	if got.Written != int64(len(w.Lines)) || got.ContentBytes != w.Bytes || got.Erased != w.Erased || got.Recovered != w.Recovered ||
		!maps.Equal(got.Quarantined, reasons) || got.Waiting != 0 || got.Rows != got.Written+sumOf(reasons) {
		t.Errorf("%q: %+v, want %d lines, %d bytes, %d erased, %d recovered, quarantined %v",
			tenant, got, len(w.Lines), w.Bytes, w.Erased, w.Recovered, reasons)
	}
}

// folderOf is where a tenant's output is.
func (j contentsJob) folderOf(tenant string) string {
	if j.All {
		return j.folder(tenant)
	}
	return j.Sink
}

func checkOrphans(t *testing.T, j contentsJob, s *metrics.Status, want *expectation) {
	t.Helper()
	tenants := append(s.TenantNames(), "")
	all := int64(0)
	for _, tenant := range tenants {
		keys, told := want.orphans[tenant], s.Binaries.Orphans
		same(t, tenant+" orphans", orphansIn(t, j.folderOf(tenant)), keys)
		if j.All {
			told = s.Tenants[tenant].Binaries.Orphans
		}
		if told.All() != int64(len(keys)) {
			t.Errorf("%q: orphans %+v, want %d", tenant, told, len(keys))
		}
		all += int64(len(keys))
		delete(want.orphans, tenant)
	}
	if o := s.Binaries.Orphans; o.Newer != want.newer || o.All() != all || want.newer == 0 || len(want.orphans) > 0 {
		t.Errorf("orphans %+v, want %d, %d newer; left %v", o, all, want.newer, want.orphans)
	}
}

// orphansIn reads the keys of a folder's list.
func orphansIn(t *testing.T, folder string) (keys []string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "_fhirhose", "orphans.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		var o struct{ Key string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// same compares two sorted lists, and shows where they begin to differ.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	at := func(list []string) string {
		if i == len(list) {
			return "(end)"
		}
		return fmt.Sprintf("%.300s", list[i])
	}
	t.Errorf("%s: %d, want %d; the first that differs:\n%s\nwant\n%s", what, len(got), len(want), at(got), at(want))
}

// tableOf is a table and the tenant of a job over it.
func contentTables(f func(name string, tenants []string, tenant string)) {
	f("single tenant", []string{""}, "")
	f("one of several", []string{"a", "ab", "A"}, "a")
	f("all", []string{"a", "ab", "A", "a_1"}, "*")
}

// TestContents: lines, quarantine, ledger, totals and orphans of a job with both
// pipelines are what the rules say, and records of all other types what a job
// that leaves Binaries as they are makes of them.
func TestContents(t *testing.T) {
	contentTables(func(name string, tenants []string, tenant string) {
		for _, deleted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s recover %v", name, deleted), func(t *testing.T) {
				b := newTable(t, 60_000, tenants...)
				j := newContentsJob(t, b, tenant)
				j.Options.Binaries.RecoverDeleted = deleted
				s := j.MustRun(t).Status()
				checkContents(t, j, &s)
				checkManifests(t, j.root())
				none := newContentsJob(t, b, tenant)
				none.Options.Binaries, none.Options.Convert.BinaryField = nil, ""
				none.MustRun(t)
				same(t, "other types", others(j.Tree(t)), others(none.Tree(t)))
				if left, _ := filepath.Glob(filepath.Join(j.State, "binaries", "*")); len(left) > 0 {
					t.Errorf("left in state: %v", left)
				}
			})
		}
	})
}

var recordFile = regexp.MustCompile(`(^|/)v[0-9]+-[0-9]+/`)

// others are the files of a tree that hold records of other types than Binary.
func others(tree []string) []string {
	return slices.DeleteFunc(slices.Clone(tree), func(line string) bool { return !recordFile.MatchString(line) })
}

// TestLargeContents moves one content of some MB among the small ones, with the
// sizes that are usual, and as STU3 has it (WB2, WB14).
func TestLargeContents(t *testing.T) {
	b := newTable(t, 5_000_001, "")
	j := newContentsJob(t, b, "")
	o := j.Options.Binaries
	o.Caps.FileBytes, o.Caps.FolderBytes, o.SmallBytes, o.ChunkBytes = 8_000_000, 9_000_000, 0, 0
	o.RecoverDeleted, j.Options.Convert.BinaryField = true, "content"
	s := j.MustRun(t).Status()
	checkContents(t, j, &s)
	if longest := checkManifests(t, j.root()); longest < 6_666_668 {
		t.Errorf("the longest line has %d bytes", longest)
	}
}

// TestStagesAreExported: the metrics drop a stage whose name they do not know.
func TestStagesAreExported(t *testing.T) {
	var names []string
	for _, stage := range newContentsJob(t, newTable(t, 100, ""), "").MustRun(t).Status().Stages {
		names = append(names, stage.Name)
	}
	slices.Sort(names)
	if known := slices.Sorted(slices.Values(metrics.StageNames())); !slices.Equal(names, known) {
		t.Errorf("a job with contents has the stages %q, the metrics know %q", names, known)
	}
}

// TestFinishedContentsAreNotTouched: a second run knows what the first has done,
// whatever lies in the bucket by then.
func TestFinishedContentsAreNotTouched(t *testing.T) {
	j := newContentsJob(t, newTable(t, 60_000, ""), "")
	first := j.MustRun(t).Status()
	before := j.Tree(t)
	if err := errors.Join(os.RemoveAll(j.Contents), os.RemoveAll(j.Old)); err != nil {
		t.Fatal(err)
	}
	second := j.MustRun(t).Status()
	same(t, "tree", j.Tree(t), before)
	if second.Binaries == nil || second.Binaries.Orphans == nil || second.Binaries.Written != first.Binaries.Written || second.Written() != first.Written() {
		t.Errorf("the second run knows %+v", second.Binaries)
	}
}
