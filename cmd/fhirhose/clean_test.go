package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/cleaning"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/exporting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/tableexport"
)

// proven leaves behind what a verification leaves that has passed; change makes it
// another one.
func (r *importRig) proven(change func(*verification.Result)) {
	r.Helper()
	if err := os.RemoveAll(verification.Dir(filepath.Join(r.dir, "state"), "")); err != nil {
		r.Fatal(err)
	}
	r.provenOf("", change)
}

// provenOf is proven of one tenant.
func (r *importRig) provenOf(tenant string, change func(*verification.Result)) {
	r.Helper()
	store, err := checkpoint.Reopen(filepath.Join(r.dir, "state", checkpointFile))
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	moved, err := records.Result(store)
	if err != nil {
		r.Fatal(err)
	}
	known, err := importing.Records(store, tenant)
	if err != nil {
		r.Fatal(err)
	}
	v := verification.New(verification.Export, tenant, known["v1-0"].Target, moved.LedgerRoot(tenant), verify.Equal)
	v.Ended, v.Changed = time.Now(), time.Now().Add(time.Hour)
	if v.Changes, err = changesOf(store, tenant); err != nil {
		r.Fatal(err)
	}
	v.Job, v.Output = "0123456789abcdef", "s3://bucket/verified/store-FHIR_EXPORT-0123456789abcdef/"
	v.Add("Patient", verify.Equal, 4)
	if change != nil {
		change(v)
	}
	if err := v.Save(filepath.Join(r.dir, "state")); err != nil {
		r.Fatal(err)
	}
}

const verified = "--verify.export_to=s3://bucket/verified"

// strangers are what others have put beside the job's copies.
var strangers = []string{
	"out/a/v1-0/notes.txt", "out/a/v1-0/Patient-v1-00099.ndjson", "out/a/v9-0/Patient-v9-00000.ndjson", "out/ab/v1-0/Patient-v1-00000.ndjson",
	"results/other/Manifest.json", "results/.healthlake_write_access_check_file.temp", "verified/store-FHIR_EXPORT-other/Patient.ndjson", "verified/store-FHIR_EXPORT-0123456789abcdef/notes.txt",
}

// copied is a job that is imported, with copies of all kinds, beside strangers'.
func copied(t *testing.T, versions bool) *importRig {
	r := newImportRig(t, healthlaketest.Traps{})
	if versions {
		r.memory.KeepVersions()
	}
	r.moved().run(0, "import")
	for _, key := range strangers {
		r.memory.Put(key, []byte("theirs"))
	}
	r.memory.Put("verified/store-FHIR_EXPORT-0123456789abcdef/Patient/Patient-0.ndjson", []byte("ours"))
	return r
}

// keys are those that can be seen, copies of the audit log apart.
func (r *importRig) keys() (keys []string) {
	for key := range r.memory.Objects() {
		if !strings.HasPrefix(key, "out/a/_fhirhose/audit/") { // each run leaves one
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// remain checks which keys remain, beside strangers'.
func (r *importRig) remain(prefixes ...string) {
	r.Helper()
	for _, key := range r.keys() {
		if !slices.Contains(strangers, key) && !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) }) {
			r.Errorf("%s remains", key)
		}
	}
	for _, key := range strangers {
		if string(r.memory.Objects()[key]) != "theirs" {
			r.Errorf("%s is gone", key)
		}
	}
}

func (r *importRig) certificate() *cleaning.Certificate {
	r.Helper()
	text, err := os.ReadFile(cleaning.CertificatePath(filepath.Join(r.dir, "state"), ".json"))
	c := new(cleaning.Certificate)
	if err := errors.Join(err, json.Unmarshal(text, c)); err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *importRig) left() (names []string) {
	r.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dir, "state"))
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestClean removes exactly what the job has made, hidden versions and unfinished
// uploads too, and certifies it.
func TestClean(t *testing.T) {
	for _, versions := range []bool{false, true} {
		r := copied(t, versions)
		const again = "out/a/v1-0/Patient-v1-00000.ndjson"
		was := r.memory.Objects()[again]
		r.memory.Put(again, []byte("of an earlier run"))
		r.memory.Put(again, was)
		ours := r.memory.Begin("out/a/v2-0/Patient-v2-00000.ndjson", time.Now().Add(time.Hour))
		older := r.memory.Begin("out/a/v2-0/Patient-v2-00000.ndjson", time.Now().Add(-time.Hour))
		unknown := r.memory.Begin("out/a/v2-0/notes.txt", time.Now().Add(time.Hour))
		r.proven(nil)
		before := r.keys()
		r.run(0, "clean", verified)
		r.says("folders              s3://bucket/out/a: ", "; STAYS: --ledger removes it", "import output        s3://bucket/results: ", "verification export ",
			"source               not of this job", "1 unfinished upload", "left alone, since this job is not known", "nothing was removed: --yes removes it")
		if versions {
			r.says("2 noncurrent versions", "keeps old versions")
		}
		if !slices.Equal(before, r.keys()) || len(r.memory.Uploads()) != 3 {
			t.Fatal("looking has changed something")
		}
		r.run(0, "clean", verified, "--yes")
		r.says("CERTIFICATE of removal: job a", "complete: nothing of what was to be removed remains", "verification export of a")
		r.remain("out/a/_fhirhose/")
		if uploads := r.memory.Uploads(); uploads[ours] != "" || uploads[older] == "" || uploads[unknown] == "" {
			t.Errorf("uploads %v", uploads)
		}
		if names := r.left(); !slices.Equal(names, []string{"audit.ndjson", "clean", "lock"}) {
			t.Errorf("state holds %v", names)
		}
		c := r.certificate()
		for _, l := range c.Copies {
			if stays := l.Kind == cleaning.Ledger || l.Kind == cleaning.Audit; l.Kind == "" || stays != (l.Remains.Objects > 0) || !stays && l.Removed.Objects != l.Found.Objects {
				t.Errorf("%+v", l)
			}
		}
		if !c.Removed || !versions && c.Others != int64(len(strangers))-1 || len(c.Manifests) != 1 || len(c.Proofs) != 1 { // out/ab is another job's
			t.Errorf("%+v", c)
		}
		r.run(0, "clean", verified, "--yes", "--ledger", "--audit", "--json")
		r.remain()
		if err := json.Unmarshal(r.out.Bytes(), c); err != nil || !c.Removed || !c.Ledger {
			t.Errorf("%v, %s", err, r.out.String())
		}
		if names := r.left(); !slices.Equal(names, []string{"clean", "lock"}) {
			t.Errorf("state holds %v", names)
		}
		left := r.memory.Versions("")
		for _, key := range strangers {
			left -= r.memory.Versions(key)
		}
		if left != 0 {
			t.Errorf("%d versions are left", left)
		}
	}
}

// TestCleanIsRefused before the job is proven, and where the sink is another's.
func TestCleanIsRefused(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.run(2, "clean", "--yes") // nothing was moved
	r.moved()
	before := r.keys()
	f := func(words string) {
		t.Helper()
		r.run(4, "clean", verified, "--yes")
		r.says(words)
		r.run(0, "clean", verified)
		r.says("nothing can be yet", words)
		if !slices.Equal(before, r.keys()) {
			t.Error("something was removed")
		}
	}
	f("is not imported")
	r.run(0, "import")
	before = r.keys()
	f("no verification of all its resources has passed")
	for words, change := range map[string]func(*verification.Result){
		"no verification of all":  func(v *verification.Result) { v.Mode = verification.Sample },
		"of another store":        func(v *verification.Result) { v.Target = "arn:other" },
		"or of other data":        func(v *verification.Result) { v.LedgerRoot = "other" },
		"was imported or deleted": func(v *verification.Result) { v.Changed = time.Now().Add(-time.Hour) },
		"something was imported":  func(v *verification.Result) { v.Changes-- }, // whatever the target's clock says
		"not come to its end":     func(v *verification.Result) { v.Ended = time.Time{} },
		"2 resources that need":   func(v *verification.Result) { v.Add("Patient", verify.KnownStale, 2) },
		"1 resources that need":   func(v *verification.Result) { v.AddUnchecked("Patient", verify.Unsettled, 1) },
	} {
		r.proven(change)
		f(words)
	}
	r.proven(nil) // and another mode has found what this one has not: it counts as it does in the report
	other := verification.New(verification.Counts, "", "", "")
	r.provenOf("", func(v *verification.Result) {
		v.Mode = verification.Counts
		v.Add("Patient", verify.Missing, 3)
		other = v
	})
	f("3 resources that need")
	other.Changed = time.Unix(1, 0) // before the import: void
	if err := other.Save(filepath.Join(r.dir, "state")); err != nil {
		t.Fatal(err)
	}
	r.run(0, "clean", verified)
	if !strings.Contains(r.out.String(), "--yes removes it") {
		t.Error(r.out.String())
	}
	r.proven(nil)
	r.forgetEnd("v1-0")
	f("has not told when the imports ended")
	r.run(2, "clean", verified, "--yes", "--sink.location=dir")
	r.run(2, "clean", "--yes") // where is what was exported?
	key := "out/a/_fhirhose/claim.json"
	was := r.memory.Objects()[key]
	r.memory.Put(key, []byte("{}"))
	r.run(11, "clean", verified, "--yes")
	r.memory.Put(key, was)
	if !slices.Equal(before, r.keys()) {
		t.Error("something was removed")
	}
}

// TestCleanElsewhere: where the settings name another place than the one that HealthLake
// wrote to, nothing is found there, and the certificate does not pass over it.
func TestCleanElsewhere(t *testing.T) {
	r := copied(t, false)
	r.proven(nil)
	const words = "NOT FOUND: import output, though HealthLake wrote it: nothing lies at s3://bucket/elsewhere/"
	r.run(0, "clean", verified, "--target.healthlake.output=s3://bucket/elsewhere")
	r.says(words)
	for range 2 {
		r.run(0, "clean", verified, "--target.healthlake.output=s3://bucket/elsewhere", "--yes")
		r.says(words)
	}
	if c := r.certificate(); len(c.NotFound) != 1 {
		t.Errorf("%q", c.NotFound)
	}
}

// TestCleanOfTheOnlyCopy: what could not be moved, or was refused while a later version
// went in, no verification misses, and the job's copies are all there is of it. They
// go only if they are named, and the certificate tells.
func TestCleanOfTheOnlyCopy(t *testing.T) {
	f := func(words string, refuse bool, rows ...string) {
		t.Helper()
		traps, exit := healthlaketest.Traps{}, 0
		if refuse {
			traps.Refuse, exit = (&refusals{versions: map[int][]int{1: {2}}}).refuse, 3
		}
		r := &verifyRig{importRig: newImportRig(t, traps)}
		r.jobFile += verifySettings + "on_quarantine: continue\n"
		r.export(append(verifyRows(), rows...))
		r.end("move")
		r.run(exit, "import", goOn)
		r.run(0, "verify")
		before := r.keys()
		r.run(4, "clean", "--yes")
		r.says(words, "clean --quarantine")
		if after := r.keys(); !slices.Equal(before, after) {
			t.Errorf("%v, then %v", before, after)
		}
		r.run(0, "clean", "--yes", "--quarantine")
		r.says(words, "complete: nothing")
		for _, key := range r.keys() {
			if !strings.HasPrefix(key, "out/a/_fhirhose/") && !strings.HasSuffix(key, "access_check_file.temp") {
				t.Errorf("%s remains", key)
			}
		}
	}
	f("1 record could not be moved", false, `{"Item":{"nobody":{"S":"knows"}}}`)
	f("HealthLake has refused 1 resource", true)
}

// TestCleanLocked: what is locked remains, is hidden, and the certificate says until
// when; later it goes.
func TestCleanLocked(t *testing.T) {
	r := copied(t, true)
	r.proven(nil)
	key := "out/a/v1-0/Patient-v1-00000.ndjson"
	until := time.Now().Add(time.Hour)
	r.memory.Lock(key, until)
	for range 2 {
		r.run(3, "clean", verified, "--yes", "--ledger")
		r.says("NOT COMPLETE", "1 versions remain, locked (COMPLIANCE) until "+until.UTC().Format(time.RFC3339), "1 noncurrent version")
		r.remain("out/a/_fhirhose/")
		if r.memory.Objects()[key] != nil {
			t.Error("it can be seen")
		}
		c := r.certificate()
		if at := slices.IndexFunc(c.Copies, func(l cleaning.Line) bool { return l.Kind == cleaning.Folders }); c.Removed || c.Copies[at].Remains.Noncurrent != 1 {
			t.Errorf("%+v", c.Copies[at])
		}
	}
	r.memory.Unlock(key)
	r.run(0, "clean", verified, "--yes")
	r.says("complete: nothing")
	r.remain()
	if r.memory.Versions(key) != 0 {
		t.Error("it remains")
	}
}

// TestCleanTenants: every tenant has to be proven; then the copies of each go, and
// those of no tenant of this job stay.
func TestCleanTenants(t *testing.T) {
	r := newTenantsRig(t, healthlaketest.Traps{}).moved()
	r.run(0, "import")
	other := "out/clinic_B/b/v1-0/Patient-v1-00000.ndjson"
	r.memory.Put(other, []byte("of another job"))
	r.provenOf("clinic-a", nil)
	r.run(4, "clean", verified, "--yes")
	r.says("clean a/clinic_B: no verification")
	r.provenOf("clinic_B", nil)
	r.run(0, "clean", verified, "--yes", "--ledger", "--audit")
	r.says("s3://bucket/out/clinic-a/a (tenant clinic-a)", "s3://bucket/out/clinic_B/a (tenant clinic_B)", "complete: nothing")
	for _, key := range r.keys() {
		if key != other && !strings.HasSuffix(key, "check_file.temp") {
			t.Errorf("%s remains", key)
		}
	}
	if c := r.certificate(); len(c.Proofs) != 2 || len(c.Manifests) != 3 || len(c.Results) != 6 {
		t.Errorf("%+v", c.Plan)
	}
}

// TestCleanOwnExports: exports of DynamoDB are removed if this job has started
// them, also such as failed or were made anew.
func TestCleanOwnExports(t *testing.T) {
	f := func(record string, want ...string) {
		t.Helper()
		state := t.TempDir()
		if err := os.WriteFile(filepath.Join(state, tableexport.RecordFile), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		own, err := ownExports(state)
		var got []string
		for _, at := range own {
			got = append(got, at.Where)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", record, got, err)
		}
	}
	const id, other = "01693685827463-2d8752fd", "01693685827463-00000000"
	f(`{"version":1,"bucket":"b","status":"COMPLETED","folder":"p/AWSDynamoDB/`+id+`"}`, "s3://b/p/AWSDynamoDB/"+id)
	f(`{"version":1,"bucket":"b","status":"FAILED","folder":"AWSDynamoDB/`+id+`"}`, "s3://b/AWSDynamoDB/"+id)
	f(`{"version":1,"bucket":"b","status":"IN_PROGRESS","folder":"p/AWSDynamoDB/` + id + `"}`)
	f(`{"version":1,"bucket":"b","status":"COMPLETED","folder":"p"}`)
	f(`{"version":1,"bucket":"b","status":"COMPLETED","folder":"p/AWSDynamoDB/`+id+`","earlier":[{"location":"s3://c/AWSDynamoDB/`+other+`"}]}`,
		"s3://c/AWSDynamoDB/"+other, "s3://b/p/AWSDynamoDB/"+id)
	if own, err := ownExports(t.TempDir()); own != nil || err != nil {
		t.Errorf("%v, %v", own, err)
	}
	roots := map[string]int{}
	for root, own := range byRoot([]cleaning.At{{Where: "s3://b/p/AWSDynamoDB/" + id}, {Where: "s3://c/AWSDynamoDB/" + id}, {Where: "s3://b/p/AWSDynamoDB/" + other}}) {
		roots[root] += len(own)
	}
	if roots["s3://b/p"] != 2 || roots["s3://c"] != 1 {
		t.Errorf("%v", roots)
	}
}

// TestCleanEarlierJobs: what jobs have left that were started again goes too.
func TestCleanEarlierJobs(t *testing.T) {
	fail := true
	r := newImportRig(t, healthlaketest.Traps{Fail: func(name string) (int64, string) {
		if fail && strings.Contains(name, "v2-0") {
			return 2, "for a test"
		}
		return 0, ""
	}}).moved()
	for _, again := range [][]string{nil, {"--again", "v2-0"}} {
		r.run(7, append([]string{"import"}, again...)...)
		r.memory.Put("results/"+healthlaketest.DatastoreID+"-FHIR_IMPORT-"+r.job("v2-0")+"/FAILURE/v2-0/x.ndjson", []byte("ours"))
	}
	r.proven(nil)
	r.run(4, "clean", verified, "--yes")
	r.says("folder v2-0 is not imported")
	r.simulation.SetTraps(func(*healthlaketest.Traps) { fail = false })
	r.run(0, "import", "--again", "v2-0")
	r.proven(nil)
	r.run(0, "clean", verified, "--yes")
	for _, key := range r.keys() {
		if !strings.HasPrefix(key, "out/a/_fhirhose/") && !strings.HasSuffix(key, ".temp") {
			t.Errorf("%s remains", key)
		}
	}
	plan := new(cleaning.Plan)
	last := &exporting.Record{Target: "arn:x/store", Job: "3", Earlier: []string{"1", "2"}}
	addExports(plan, "s3://b/p/", "t", last, []*verification.Result{{Tenant: "t", Job: "3", Output: "s3://b/p/elsewhere"}})
	if want := []cleaning.At{{Tenant: "t", Where: "s3://b/p/store-FHIR_EXPORT-1"}, {Tenant: "t", Where: "s3://b/p/store-FHIR_EXPORT-2"}}; !slices.Equal(plan.Exports, want) {
		t.Errorf("%v", plan.Exports)
	}
}

// job is that of HealthLake that imports a folder.
func (r *importRig) job(folder string) string {
	r.Helper()
	store, err := checkpoint.Reopen(filepath.Join(r.dir, "state", checkpointFile))
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	known, err := importing.Records(store, "")
	if err != nil {
		r.Fatal(err)
	}
	return known[folder].Job
}

// forgetEnd makes the checkpoint one that does not know when an import ended.
func (r *importRig) forgetEnd(folder string) {
	r.Helper()
	store, err := checkpoint.Reopen(filepath.Join(r.dir, "state", checkpointFile))
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	known, err := importing.Records(store, "")
	if err != nil {
		r.Fatal(err)
	}
	known[folder].Ended = time.Time{}
	text, err := json.Marshal(known[folder])
	if err == nil {
		err = store.Commit([]output.Change{{Bucket: "import", Key: folder, Value: text}})
	}
	if err != nil {
		r.Fatal(err)
	}
}
