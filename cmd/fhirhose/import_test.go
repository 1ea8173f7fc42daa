package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// importRig is a job whose every value is a canary, a bucket in memory, and a
// simulation of HealthLake over it.
type importRig struct {
	*testing.T
	dir        string
	memory     *objecttest.Memory
	simulation *healthlaketest.Simulation
	signals    chan os.Signal
	jobFile    string
	later      atomic.Int64 // how far the data store's clock is ahead, a time.Duration
	out, err   lockedBuffer // of the last run
}

const importJobFile = `job: a
source: {binaries: none, dynamodb_export: {location: export}}
sink: {location: s3://bucket/out, s3: {path_style: true}}
limits: {memory: 128MiB}
http: {listen: ""}
target: {healthlake: {datastore: ` + healthlaketest.DatastoreID + `, role_arn: "arn:aws:iam::123456789012:role/r",
  output: s3://bucket/results, kms_key: key}}
`

const (
	patients = 5              // of three versions each, the last of the first being a deletion
	lines    = 3*patients + 2 // and a Binary and an Observation
)

// importFolders are the folders of the job in the order of import.
var importFolders = []string{"Binary-v1-0", "v1-0", "v2-0", "v3-0"}

func newImportRig(t *testing.T, traps healthlaketest.Traps, more ...string) *importRig {
	t.Helper()
	r := &importRig{T: t, dir: t.TempDir(), memory: objecttest.NewMemory(), signals: make(chan os.Signal, 2), jobFile: importJobFile}
	buckets := httptest.NewServer(r.memory)
	stores := []healthlaketest.Store{
		{ID: healthlaketest.DatastoreID},
		{ID: "second"},
		{ID: "smart", Authority: &healthlaketest.Authority{ClientID: "c", ClientSecret: recordstest.Canary, Life: time.Hour}},
		{ID: "few", Types: []string{"Patient", "Binary"}, KMSKey: "arn:aws:kms:us-east-1:123456789012:key/k"},
	}
	r.simulation = healthlaketest.New(healthlaketest.Options{Traps: traps, Stores: stores, Now: r.clock, S3: healthlaketest.FromClient(s3.New(s3.Options{
		BaseEndpoint: &buckets.URL, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), HTTPClient: buckets.Client(),
	}))})
	server := httptest.NewServer(r.simulation)
	t.Cleanup(func() {
		server.Close()
		r.simulation.Close()
		buckets.Close()
	})
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": healthlaketest.AccessKey, "AWS_SECRET_ACCESS_KEY": healthlaketest.SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_HEALTHLAKE": server.URL, "AWS_ENDPOINT_URL_S3": buckets.URL,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	rows := append([]string{recordstest.CanaryBinary(0), recordstest.CanaryRow(0, "Patient", "Observation")}, more...)
	r.export(append(rows, patientRows()...))
	return r
}

func (r *importRig) clock() time.Time { return time.Now().Add(time.Duration(r.later.Load())) }

// export writes the export that is moved.
func (r *importRig) export(rows []string) {
	r.Helper()
	if _, err := generate.WriteObjects(filepath.Join(r.dir, "export"), [][]string{rows}); err != nil {
		r.Fatal(err)
	}
}

// patientRows are all versions of the patients.
func patientRows(replace ...string) (rows []string) {
	for n := range patients {
		for v := 1; v <= 3; v++ {
			version := fmt.Sprint(v)
			row := recordstest.CanaryRow(n, `"vid":{"N":"1"}`, `"vid":{"N":"`+version+`"}`, `{"N":"3"}`, `{"N":"`+version+`"}`)
			if v < 3 || n == 0 {
				row = strings.Replace(row, `"AVAILABLE"`, `"DELETED"`, 1)
			}
			rows = append(rows, strings.NewReplacer(replace...).Replace(row))
		}
	}
	return rows
}

// run runs a verb and checks how it ends, and that it tells no value and none of
// the server's words (I10).
func (r *importRig) run(want int, args ...string) {
	r.Helper()
	if code := r.end(args...); code != want {
		r.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, r.out.String(), r.err.String())
	}
}

// end runs a verb and returns its exit code.
func (r *importRig) end(args ...string) int {
	r.Helper()
	file := filepath.Join(r.dir, "fhirhose.yaml")
	if err := os.WriteFile(file, []byte(r.jobFile), 0o600); err != nil {
		r.Fatal(err)
	}
	r.out.Reset()
	r.err.Reset()
	code := run(context.Background(), process{
		args: append(args, "-c", file, "--log-level", "debug"), stdin: strings.NewReader(""), stdout: &r.out, stderr: &r.err,
		setenv: os.Setenv, environ: os.Environ(), signals: r.signals, open: openMover, importPause: time.Millisecond,
	})
	said := r.out.String() + r.err.String()
	if recordstest.HoldsCanary([]byte(said)) || strings.Contains(said, healthlaketest.ServerText) {
		r.Errorf("%v tells a value, or the server's words:\n%s", args, said)
	}
	return code
}

func (r *importRig) says(words ...string) {
	r.Helper()
	for _, want := range words {
		if !strings.Contains(r.out.String()+r.err.String(), want) {
			r.Errorf("without %q:\n%s%s", want, r.out.String(), r.err.String())
		}
	}
}

func (r *importRig) moved() *importRig {
	r.Helper()
	r.run(0, "move")
	return r
}

// overrides is what the checkpoint says that the operator went over.
func (r *importRig) overrides() map[string]string {
	r.Helper()
	store, err := checkpoint.Reopen(filepath.Join(r.dir, "state", checkpointFile))
	if err != nil {
		r.Fatal(err)
	}
	over := map[string]string{}
	err = store.Each(overridesBucket, func(key string, value []byte) error { over[key] = string(value); return nil })
	if err := errors.Join(err, store.Close()); err != nil {
		r.Fatal(err)
	}
	return over
}

func (r *importRig) starts() int { return r.simulation.Calls()["StartFHIRImportJob"] }

// arrived checks that every version of every resource is in the store, in order.
func (r *importRig) arrived() {
	r.Helper()
	for _, violation := range r.simulation.Violations() {
		r.Error(violation)
	}
	store, err := healthlake.Open(r.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID, RequestsPerSecond: 1000})
	if err != nil {
		r.Fatal(err)
	}
	for n := range patients {
		history, err := store.History(r.Context(), "Patient", fmt.Sprintf("%s-%d", recordstest.Canary, n))
		if err != nil {
			r.Fatal(err)
		}
		var versions []int
		for _, v := range slices.Backward(history) {
			var it struct{ MultipleBirthInteger int }
			if err := json.Unmarshal(v.Body, &it); err != nil {
				r.Fatal(err)
			}
			versions = append(versions, it.MultipleBirthInteger)
		}
		if !slices.Equal(versions, []int{1, 2, 3}) {
			r.Errorf("history of Patient %d: %v", n, versions)
		}
	}
}

// TestImport: a finished job is imported once, without its export, and all other
// verbs go on as before.
func TestImport(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.run(2, "import")
	r.says("no move of this job has started here")
	r.moved()
	export := filepath.Join(r.dir, "export")
	if err := os.Rename(export, export+".gone"); err != nil {
		t.Fatal(err)
	}
	r.run(0, "import")
	r.says("job a: 4 of 4 folders imported", fmt.Sprintf("%d imported, 0 refused", lines), "fhirhose verify")
	r.arrived()
	if n := r.starts(); n != len(importFolders) {
		t.Errorf("%d jobs", n)
	}
	r.run(0, "import", "--json")
	var s importSummary
	if err := json.Unmarshal(r.out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range s.Stores[0].Folders {
		names = append(names, f.Folder)
	}
	if n := r.starts(); len(s.Stores) != 1 || s.Stores[0].Tenant != "" || n != len(importFolders) || !s.Done || s.Imported != lines || !slices.Equal(names, importFolders) {
		t.Errorf("%d jobs; %+v", n, s)
	}
	if err := os.Rename(export+".gone", export); err != nil {
		t.Fatal(err)
	}
	before := len(r.memory.Objects())
	r.run(0, "move", "--target.healthlake.validation=minimal", "--target.healthlake.output=s3://other") // no other job
	r.run(0, "status")
	r.run(4, "report") // nothing is verified
	r.run(2, "move", "--restart", "--yes")
	r.says("its folders were sent to a target, and nothing was removed")
	if n := len(r.memory.Objects()); n != before {
		t.Errorf("%d objects, %d before", n, before)
	}
}

// TestImportOfAnotherRun: jobs of another run of a job are not taken for its own, nor
// is what is remembered of another run's folders (WI2).
func TestImportOfAnotherRun(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	for run := 1; run <= 2; run++ {
		r.moved()
		args := []string{"import"}
		if run > 1 { // the data store holds what the first has brought
			r.run(2, "import")
			r.says("the data store is not empty: Patient 5, Binary 1, Observation 1", "fhirhose import --into-nonempty")
			args = append(args, "--into-nonempty")
		}
		r.run(0, args...)
		if n := r.starts(); n != run*len(importFolders) {
			t.Errorf("%d jobs after run %d", n, run)
		}
		if over := r.overrides()["into-nonempty"]; (over != "") != (run > 1) {
			t.Errorf("run %d went over %q", run, over)
		}
		r.run(4, "report") // mode full sees nothing else that is there
		if told := strings.Contains(r.out.String(), "the target held 7 resources before the import (--into-nonempty)"); told != (run > 1) {
			t.Errorf("run %d: %s", run, r.out.String())
		}
		for key := range r.memory.Objects() {
			r.memory.Delete(key)
		}
		if err := os.RemoveAll(filepath.Join(r.dir, "state")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImportRefused: resources that HealthLake refuses stop the import, or are
// kept while it goes on.
func TestImportRefused(t *testing.T) {
	refuse := func(key string, body []byte) string {
		if strings.HasSuffix(key, "-1") && strings.Contains(string(body), `"multipleBirthInteger":2`) {
			return "because of " + recordstest.Canary
		}
		return ""
	}
	r := newImportRig(t, healthlaketest.Traps{Refuse: refuse}).moved()
	r.run(3, "import")
	r.says("job a: 3 of 4 folders imported", "the target has refused resources: 1 of 5", "on_import_error: continue",
		"overtaken 1 resource without older versions")
	if n := r.starts(); n != 3 {
		t.Errorf("%d jobs", n)
	}
	r.run(3, "import", "--target.healthlake.on_import_error=continue")
	r.says("job a: 4 of 4 folders imported", "1 refused", "refused   1 of v2-0")
	if strings.Contains(r.err.String(), "error:") {
		t.Errorf("stderr %s", &r.err)
	}
	kept := filepath.Join(r.dir, "state", "import", "v2-0.failures.ndjson")
	info, err := os.Stat(kept)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
	state := filepath.Join(r.dir, "state")
	for _, path := range []string{kept, importing.RefusedFile(state, ""), deleting.Kept(state, "", 1)} { // an ambiguous id
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	_ = filepath.WalkDir(filepath.Join(r.dir, "state"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if content, _ := os.ReadFile(path); recordstest.HoldsCanary(content) {
			t.Errorf("%s holds a value", path)
		}
		return nil
	})
}

// TestImportStale: a resource whose last version is refused, while an older one is
// in, is told first, with the line that holds it, however HealthLake counts lines.
func TestImportStale(t *testing.T) {
	for base, fromZero := range []bool{true, false} {
		r := newImportRig(t, healthlaketest.Traps{LineFromZero: fromZero, Refuse: func(key string, body []byte) string {
			if strings.HasSuffix(key, "-2") && strings.Contains(string(body), `"multipleBirthInteger":3`) {
				return "because of " + recordstest.Canary
			}
			return ""
		}}).moved()
		r.run(3, "import", "--target.healthlake.on_import_error=continue")
		r.says("stale     1 resource in the data store in an older version", "refused.ndjson (PHI)")
		r.run(3, "import", "--target.healthlake.on_import_error=continue", "--json")
		var s importSummary
		if err := json.Unmarshal(r.out.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		found := s.Stores[0].Refusals
		if found == nil || found.Refusals != (importing.Refusals{Stale: 1, Failures: 1, LinesFrom: base, Of: found.Of}) {
			t.Fatalf("found %+v", found)
		}
		text, err := os.ReadFile(found.File)
		if err != nil {
			t.Fatal(err)
		}
		var one importing.Refused
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatal(err)
		}
		at := one.Versions[0]
		content := strings.Split(string(r.memory.Objects()["out/a/"+at.File]), "\n")
		if one.In != 2 || one.Last != 3 || at.Reason != "invalid" || at.Line < 1 || !strings.Contains(content[at.Line-1], strings.TrimPrefix(one.Resource, "Patient/")) {
			t.Errorf("%+v", one)
		}
	}
}

// TestImportGivenUp: that a job failed is an exit code (WI12), and no later folder is
// sent before the operator has said that this one is to be sent again.
func TestImportGivenUp(t *testing.T) {
	fail := true
	r := newImportRig(t, healthlaketest.Traps{Fail: func(name string) (int64, string) {
		if fail && strings.Contains(name, "v2-0") {
			return 2, "because of " + recordstest.Canary
		}
		return 0, ""
	}}).moved()
	for range 2 {
		r.run(7, "import")
		r.says("the target gave up", "is FAILED", "--again v2-0")
	}
	for _, name := range []string{"v1-0", "v3-0", "v9-0"} {
		r.run(2, "import", "--again", name)
	}
	if n := r.starts(); n != 3 {
		t.Errorf("%d jobs", n)
	}
	r.simulation.SetTraps(func(*healthlaketest.Traps) { fail = false })
	r.run(0, "import", "--again", "v2-0")
	if n := r.starts(); n != 5 {
		t.Errorf("%d jobs", n)
	}
}

// TestImportDiffers: what lies in a folder besides what was written is noticed.
func TestImportDiffers(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{}).moved()
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "StartFHIRImportJob" && c.N == 2 { // after everything was looked at
				r.memory.Put("out/a/v1-0/Patient-v1-00001.ndjson", []byte(`{"resourceType":"Patient","id":"stranger"}`+"\n"))
			}
			return healthlaketest.NoFault
		}
	})
	r.run(4, "import")
	r.says("6 lines written; scanned 7, imported 7")
	if n := r.starts(); n != 2 {
		t.Errorf("%d jobs", n)
	}
}

// TestImportStopped: a signal ends us, not the job in HealthLake, which the next
// run takes up.
func TestImportStopped(t *testing.T) {
	for signal, want := range map[os.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		r := newImportRig(t, healthlaketest.Traps{}).moved()
		held := make(chan struct{})
		r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
			traps.Running = time.Hour
			traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
				if c.Op == "DescribeFHIRImportJob" && c.N == 2 {
					r.signals <- signal
					close(held)
				}
				return healthlaketest.NoFault
			}
		})
		r.run(want, "import")
		<-held
		r.says("goes on in HealthLake", "try: fhirhose import -c "+filepath.Join(r.dir, "fhirhose.yaml"), "not in    Binary-v1-0")
		asked := false
		r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
			traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
				if c.Op == "DescribeFHIRImportJob" && !asked {
					asked = true
					r.signals <- signal
				}
				return healthlaketest.NoFault
			}
		})
		r.run(want, "import")
		if n := r.starts(); n != 1 {
			t.Errorf("%d jobs", n)
		}
	}
}

// TestImportIsRefused: what is not the whole output of this job is not sent.
func TestImportIsRefused(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{}, canary+" is not JSON")
	r.run(3, "move")
	r.run(3, "import")
	r.says("the move has quarantined 1 record", "on_quarantine: continue")
	f := func(code int, words string, args ...string) {
		r.Helper()
		r.run(code, append([]string{"import", "--on_quarantine=continue"}, args...)...)
		r.says(words)
	}
	f(2, "one data store for all tenants", "--source.tenant=*")
	f(2, "target.healthlake.kms_key: is missing", "--target.healthlake.kms_key=")
	f(2, "not found", "--target.healthlake.datastore=ffff")
	f(7, "no run of fhirhose has claimed it", "--sink.location=s3://bucket/elsewhere")
	f(2, "no move of this job has started", "--state="+filepath.Join(r.dir, "other"))
	for _, o := range []struct {
		key, content, words string
		code                int
	}{
		{"migration_output.json", "", "is not there any more", 7},
		{"migration_output.json", "{", "names other files", 7},
		{"migration_output.json", `{"file_names":[]}`, "names other files", 7},
		{"migration_output.json", `{"file_names":{"v1-0":["a/v1-0/Patient-v1-00000.ndjson"]}}`, "names other files", 7},
		{"_fhirhose/claim.json", "{}", "belongs to another run", 11},
	} {
		key := "out/a/" + o.key
		was := r.memory.Objects()[key]
		r.memory.Delete(key)
		if o.content != "" {
			r.memory.Put(key, []byte(o.content))
		}
		f(o.code, o.words)
		r.memory.Put(key, was)
	}
	if n := r.starts(); n != 0 {
		t.Errorf("%d jobs", n)
	}
	f(0, "4 of 4 folders imported", "--target.healthlake.validation=minimal")
	r.arrived()
	for _, body := range r.simulation.Current(healthlaketest.DatastoreID) {
		if !strings.Contains(string(body), "validation-issue") { // what the simulation adds to minimal validation
			t.Error("the validation is not as it was set")
		}
	}
	f(2, "into another store", "--target.healthlake.datastore=second")
}
