package records_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// allTenants makes a job one of all tenants.
func allTenants(j diskJob) diskJob {
	j.All = true
	j.Place = j.disk
	j.Options.Convert.Tenant = convert.AllTenants
	return j
}

// ofTenant makes a fresh job one of a single tenant, as cmd/fhirhose would.
func ofTenant(t testing.TB, export, tenant string) diskJob {
	j := newJob(t, export)
	j.Sink = filepath.Join(j.root(), tenant, "job")
	j.Place = j.disk
	j.Options.Convert.Tenant, j.Options.Prefix = tenant, tenant+"/job/"
	return j
}

// oddTenants are prefixes of each other, of the job's name and of what lies in a
// job's folder, and differ in case only.
var oddTenants = []string{"a", "a_", "a-b", "ab", "A", "_", "-", "job", "_fhirhose", "v1-0", "00000"}

// tenantExport has planted defects in tables of many tenants.
func tenantExport(t testing.TB, o generate.Options) string {
	t.Helper()
	o.Dir, o.Tenants = t.TempDir(), oddTenants
	if _, err := generate.Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o.Dir
}

func smallTenantExport(t testing.TB) string {
	return tenantExport(t, generate.Options{
		Seed: 7, Resources: 600, Types: 12, Versions: 3, Objects: 10, Skew: 5, EmptyObjects: 2,
		Plant: []generate.Defect{generate.NotJSON, generate.NoMeta, generate.TenantMismatch, generate.DuplicateRow, generate.PendingTop},
	})
}

// triple is what names a row's tenant; "" is left out.
type triple struct{ tenantID, plainID, id string }

// certain returns the tenant that the three agree on: the rule of design section
// 6 once more, in other words.
func (n triple) certain() (tenant string, ok bool) {
	valid := regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(n.tenantID)
	return n.tenantID, valid && n.plainID != "" && n.id == n.tenantID+"|"+n.plainID
}

func (n triple) row(number int, status string) string {
	var extra []string
	for _, a := range [][2]string{{"_tenantId", n.tenantID}, {"_id", n.plainID}} {
		if a[1] != "" {
			extra = append(extra, fmt.Sprintf(`%q:{"S":%q}`, a[0], a[1]))
		}
	}
	extra = append(extra, fmt.Sprintf(`"note":{"S":"row %d"}`, number))
	return version(n.id, 1+number%2, status, extra...)
}

// TestEveryLineIsItsTenants: for any table, each row is where the rule says, once,
// and nowhere else.
func TestEveryLineIsItsTenants(t *testing.T) {
	names := append([]string{"a|b", "a.b", "a|", "|", ".", "..", "a/b", ""}, oddTenants...)
	ids := []string{"a", "a-b", "a.b", ".", "b", "ab", "-", "x.y-z"}
	moved := 0
	rapid.Check(t, func(rt *rapid.T) {
		want := map[string]string{} // note -> folder
		var objects [][]string
		number := 0
		for range rapid.IntRange(1, 4).Draw(rt, "objects") {
			var rows []string
			for range rapid.IntRange(0, 12).Draw(rt, "rows") {
				n := triple{tenantID: rapid.SampledFrom(names).Draw(rt, "tenant"), plainID: rapid.SampledFrom(ids).Draw(rt, "id")}
				n.id = n.tenantID + "|" + n.plainID
				switch rapid.IntRange(0, 7).Draw(rt, "oddity") {
				case 0:
					n.id = rapid.SampledFrom(names).Draw(rt, "other tenant") + "|" + n.plainID
				case 1:
					n.id = n.plainID
				case 2:
					n.tenantID = ""
				case 3:
					n.plainID = ""
				}
				status := rapid.SampledFrom([]string{"AVAILABLE", "DELETED", "LOCKED", "PENDING", "NONSENSE"}).Draw(rt, "status")
				note := fmt.Sprintf("row %d", number)
				switch tenant, ok := n.certain(); {
				case status == "PENDING" && n.plainID != "": // filtered
				case status == "PENDING":
					want[note] = "?" // an id with a separator is none: then it is quarantined
				case !ok:
					want[note] = "job/_fhirhose"
				case status == "NONSENSE":
					want[note] = tenant + "/job/_fhirhose"
				default:
					want[note] = tenant + "/job/v1-0"
					if number%2 == 1 {
						want[note] = tenant + "/job/v2-0"
					}
				}
				rows = append(rows, n.row(number, status))
				number++
			}
			objects = append(objects, rows)
		}
		dir, err := os.MkdirTemp(t.TempDir(), "export")
		if err != nil {
			rt.Fatal(err)
		}
		if _, err := generate.WriteObjects(dir, objects); err != nil {
			rt.Fatal(err)
		}
		j := allTenants(newJob(t, dir))
		j.MustRun(t)
		got := notes(rt, j.root())
		for note, folder := range want {
			if folder == "?" {
				if got[note] != "" && got[note] != "job/_fhirhose" {
					rt.Fatalf("%s is in %s", note, got[note])
				}
				delete(got, note)
				continue
			}
			if got[note] != folder {
				rt.Fatalf("%s is in %q, want %q", note, got[note], folder)
			}
			if strings.Contains(folder, "/job/v") {
				moved++
			}
			delete(got, note)
		}
		if len(got) > 0 {
			rt.Fatalf("nobody expects %v", got)
		}
	})
	if moved == 0 {
		t.Error("no row was written")
	}
}

// notes maps the note of every row in any file below root to the file's folder.
func notes(t *rapid.T, root string) map[string]string {
	found := map[string]string{}
	raw := regexp.MustCompile(`"raw":"([^"]*)"`)
	note := regexp.MustCompile(`row [0-9]+`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".ledger") {
			return err
		}
		content, err := os.ReadFile(path)
		for line := range bytes.Lines(content) {
			if q := raw.FindSubmatch(line); q != nil {
				line = decode(t, q[1])
			}
			for _, n := range note.FindAll(line, -1) {
				folder, _ := filepath.Rel(root, filepath.Dir(path))
				if found[string(n)] != "" {
					t.Fatalf("%s is in %s and in %s", n, found[string(n)], folder)
				}
				found[string(n)] = folder
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func decode(t *rapid.T, text []byte) []byte {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestAllTenantsEqualsEachAlone: what a tenant gets in one pass over the table is
// what it gets alone, byte for byte: folders, ledger, announcement. Alone, its
// quarantine also has the rows that cannot be told to be another's. No tenant has to
// be named, and the table is read once (WE13).
func TestAllTenantsEqualsEachAlone(t *testing.T) {
	export := smallTenantExport(t)
	all := allTenants(newJob(t, export))
	s := all.MustRun(t).Status()
	for _, tenant := range oddTenants {
		alone := ofTenant(t, export, tenant)
		alone.MustRun(t)
		recordstest.SameTree(t, exceptTotals(treeOf(t, all.folder(tenant))), exceptTotals(alone.Tree(t)))
		ours, theirs := lines(t, all.folder(tenant)), lines(t, alone.Sink)
		for line := range ours {
			if !theirs[line] {
				t.Errorf("%s: only in one pass: %.80s", tenant, line)
			}
		}
		if s.Tenants[tenant].Quarantined != int64(len(ours)) || len(ours) > len(theirs) {
			t.Errorf("%s: %d quarantined, %d lines, %d alone", tenant, s.Tenants[tenant].Quarantined, len(ours), len(theirs))
		}
	}
	checkSums(t, &s)
	if s.Tenants[""].Quarantined == 0 || s.Tenants[""].Written != 0 || s.Tenants[""].Ledger.Entries != 0 {
		t.Errorf("of no tenant: %+v", s.Tenants[""])
	}
	if len(s.Tenants) != len(oddTenants)+1 {
		t.Errorf("%d tenants", len(s.Tenants))
	}
}

// exceptTotals leaves out the manifest, whose totals cover all that the job read,
// and the quarantine.
func exceptTotals(tree []string) []string {
	return slices.DeleteFunc(tree, func(line string) bool {
		return strings.HasPrefix(line, "_fhirhose/manifest.json") || strings.HasPrefix(line, "_fhirhose/quarantine-")
	})
}

// lines is the set of a folder's quarantined records.
func lines(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "_fhirhose", "quarantine-*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(content) {
			all[string(line)] = true
		}
	}
	return all
}

// checkSums: the tenants sum up to the job.
func checkSums(t *testing.T, s *metrics.Status) {
	t.Helper()
	var sum metrics.TenantTotals
	var ledger metrics.LedgerTotals
	folders := 0
	for name, n := range s.Tenants {
		if n.Read != n.Written+n.Filtered+n.Quarantined {
			t.Errorf("tenant %q does not balance: %+v", name, n)
		}
		sum.Read += n.Read
		sum.Written += n.Written
		sum.Filtered += n.Filtered
		sum.Quarantined += n.Quarantined
		sum.BytesWritten += n.BytesWritten
		folders += n.Folders
		ledger.Add(n.Ledger)
	}
	if sum.Read != s.Read() || sum.Written != s.Written() || sum.Filtered != s.Filtered() ||
		sum.Quarantined != s.Quarantined() || sum.BytesWritten != s.BytesWritten() || ledger != *s.Ledger {
		t.Errorf("tenants: %+v %+v, all: %d read, %+v", sum, ledger, s.Read(), *s.Ledger)
	}
	for _, n := range s.Folders {
		folders -= n
	}
	if folders != 0 {
		t.Errorf("%d folders more of tenants than of versions", folders)
	}
}

// TestOverview: the job's own manifest lists the tenants, and comes last.
func TestOverview(t *testing.T) {
	j := allTenants(newJob(t, smallTenantExport(t)))
	s := j.MustRun(t).Status()
	text, err := os.ReadFile(filepath.Join(j.Sink, "_fhirhose", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Tenants map[string]*metrics.TenantTotals
		Files   []struct{ Name string }
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(m.Tenants)), slices.Sorted(slices.Values(oddTenants)); !slices.Equal(got, want) {
		t.Errorf("tenants %v", got)
	}
	for name, n := range m.Tenants {
		if n.Folders != s.Tenants[name].Folders || n.Written != s.Tenants[name].Written || n.Ledger == nil || n.Folders == 0 {
			t.Errorf("%s: %+v, status %+v", name, n, s.Tenants[name])
		}
	}
	for _, f := range m.Files {
		if !strings.HasPrefix(f.Name, "_fhirhose/quarantine-") {
			t.Errorf("%s in the job's own folder", f.Name)
		}
	}
	if _, err := os.Stat(filepath.Join(j.Sink, "migration_output.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an announcement of no tenant: %v", err)
	}
	again := j.MustRun(t).Status() // finished: not touched, and all is known
	if len(again.Tenants) != len(s.Tenants) || again.Tenants["a"].Ledger == nil {
		t.Errorf("the second run knows %d tenants", len(again.Tenants))
	}
}

// TestDeterminismOfAllTenants is TestDeterminism for such a job (I3).
func TestDeterminismOfAllTenants(t *testing.T) {
	export := smallTenantExport(t)
	var want []string
	for _, procs := range []int{1, 8} {
		for _, workers := range []int{1, 3, 16} {
			t.Run(fmt.Sprintf("procs %d workers %d", procs, workers), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				j := allTenants(newJob(t, export))
				j.Options.Workers = workers
				j.MustRun(t)
				if want == nil {
					want = j.Tree(t)
				}
				recordstest.SameTree(t, j.Tree(t), want)
			})
		}
	}
}

// TestTenantOfAnotherJob: a job of one tenant and a job of all, of the same name,
// meet in that tenant's folder. The second says so.
func TestTenantOfAnotherJob(t *testing.T) {
	export := smallTenantExport(t)
	one, all := ofTenant(t, export, "a"), allTenants(newJob(t, export))
	one.Sink = filepath.Join(all.root(), "a", "job")
	one.Place = one.disk
	one.MustRun(t)
	before := one.Tree(t)
	_, err := all.Run(t.Context(), nil)
	if pipeline.KindOf(err) != pipeline.KindClaimed || pipeline.HintOf(err) == "" {
		t.Errorf("kind %d: %v", pipeline.KindOf(err), err)
	}
	recordstest.SameTree(t, one.Tree(t), before)
	if _, err := one.Run(t.Context(), nil); err != nil {
		t.Errorf("the first job: %v", err)
	}
}

// TestFoldersThatAreOne: a file system that does not tell a from A would mix two
// tenants. Their claims differ, so the second is refused.
func TestFoldersThatAreOne(t *testing.T) {
	j := allTenants(newJob(t, smallTenantExport(t)))
	for _, dir := range []string{j.folder("a"), filepath.Dir(j.folder("A"))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(j.folder("a"), j.folder("A")); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Run(t.Context(), nil); pipeline.KindOf(err) != pipeline.KindClaimed {
		t.Errorf("kind %d: %v", pipeline.KindOf(err), err)
	}
}

// TestAllTenantsOfATableWithoutAny: each row is quarantined, and no tenant has a
// folder.
func TestAllTenantsOfATableWithoutAny(t *testing.T) {
	j := allTenants(newJob(t, recordstest.SmallExport(t)))
	s := j.MustRun(t).Status()
	entries, err := os.ReadDir(j.root())
	if err != nil || len(entries) != 1 || s.Written() != 0 || s.Quarantined() == 0 {
		t.Errorf("%v, %v; %d written, %d quarantined", entries, err, s.Written(), s.Quarantined())
	}
}

// killedExport is small, since each of many children begins anew.
func killedExport(t testing.TB) string {
	return tenantExport(t, generate.Options{
		Seed: 9, Resources: 150, Types: 3, Versions: 2, Objects: 5, Plant: []generate.Defect{generate.NoMeta, generate.TenantMismatch},
	})
}

func tenantJobs(export string) func(t *testing.T) recordstest.Job {
	return func(t *testing.T) recordstest.Job { return allTenants(newJob(t, export)).Job }
}

func TestKillAllTenantsAtEveryPoint(t *testing.T) {
	recordstest.KillAtEveryPoint(t, tenantJobs(killedExport(t)), "write", "fsync", "mkdir", "rename", "commit", "committed")
}

func TestKillAllTenantsAtRandomMoments(t *testing.T) {
	recordstest.KillAtRandomMoments(t, tenantJobs(killedExport(t)), 4)
}
