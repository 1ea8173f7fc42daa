package healthlake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// importRig is a simulation over a bucket in memory with the folders of a job, all
// reached over HTTP.
type importRig struct {
	*testing.T
	simulation *healthlaketest.Simulation
	memory     *objecttest.Memory
	store      *healthlake.Store
	bucket     *objectstore.Store
	folders    []importing.Folder
	records    records
	options    importing.Options
	log        bytes.Buffer
}

func newImportRig(t *testing.T, traps healthlaketest.Traps) *importRig {
	t.Helper()
	r := &importRig{T: t, memory: objecttest.NewMemory(), records: records{}}
	buckets := httptest.NewServer(r.memory)
	r.simulation = healthlaketest.New(healthlaketest.Options{Traps: traps, S3: healthlaketest.FromClient(s3.New(s3.Options{
		BaseEndpoint: &buckets.URL, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), HTTPClient: buckets.Client(),
	}))})
	server := httptest.NewServer(r.simulation)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": healthlaketest.AccessKey, "AWS_SECRET_ACCESS_KEY": healthlaketest.SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_HEALTHLAKE": server.URL, "AWS_ENDPOINT_URL_S3": buckets.URL,
		"AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	var err error
	r.store, err = healthlake.Open(t.Context(), healthlake.Options{
		Datastore: healthlaketest.DatastoreID, RoleARN: "arn:aws:iam::123456789012:role/r", KMSKey: "key", Output: "s3://bucket/out",
	})
	r.check(err)
	r.bucket, err = objectstore.Open(t.Context(), objectstore.Location{Bucket: "bucket"}, objectstore.Options{PathStyle: true}, nil)
	r.check(err)
	t.Cleanup(func() {
		r.bucket.Close()
		server.Close()
		r.simulation.Close()
		buckets.Close()
	})
	r.options = importing.Options{
		Job: "clinic-a", RunID: "run", Target: "store", State: t.TempDir(), Pause: time.Millisecond,
		Log: slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	// v1-1 and v1-10: without a slash, the one would mean the other too (WI11).
	for _, name := range []string{"v1-0", "v1-1", "v1-10", "v2-0"} {
		version := name[:strings.Index(name, "-")]
		lines := []string{patient(name+"a", 1), patient(name+"b", 2), patient(name+secretID, 3), ""}
		r.memory.Put("clinic-a/"+name+"/Patient-"+version+"-00000.ndjson", []byte(strings.Join(lines, "\n")))
		r.folders = append(r.folders, importing.Folder{Name: name, Lines: 3})
	}
	return r
}

func (r *importRig) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("%v (try: %s)", err, pipeline.HintOf(err))
	}
}

// run is one process.
func (r *importRig) run() error {
	target := r.store.Imports(objectstore.Location{Bucket: "bucket", Prefix: "clinic-a"}, r.bucket)
	return importing.New(target, r.records, r.options).Run(r.Context(), r.folders)
}

// records is a checkpoint in memory.
type records map[string][]byte

func (m records) Each(_ string, f func(key string, value []byte) error) (err error) {
	for key, value := range m {
		err = errors.Join(err, f(key, value))
	}
	return err
}

func (m records) Commit(changes []output.Change) error {
	for _, c := range changes {
		m[c.Key] = slices.Clone(c.Value)
	}
	return nil
}

// TestImportFolders brings all folders in, whatever the service does: WI1 (a token for
// each folder), WI4 (throttling does not send twice), WI6 (QUEUED is waited for),
// WI11 (the slash).
func TestImportFolders(t *testing.T) {
	for name, traps := range map[string]healthlaketest.Traps{
		"plain":          {},
		"slow":           {Submitted: 5 * time.Millisecond, Queued: 20 * time.Millisecond, Running: 5 * time.Millisecond, ListLag: 50 * time.Millisecond},
		"throttled":      {ThrottleEvery: 9},
		"small manifest": {SmallManifest: true},
		"answers lost": {Fault: func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "StartFHIRImportJob" && c.N%2 == 1 {
				return healthlaketest.Lost
			}
			return healthlaketest.NoFault
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newImportRig(t, traps)
			r.check(r.run())
			r.check(r.run())
			for _, violation := range r.simulation.Violations() {
				t.Error(violation)
			}
			for _, f := range r.folders {
				for _, id := range []string{"a", "b"} {
					_, found, err := r.read(f.Name + id)
					if err != nil || !found {
						t.Errorf("%s of %s is not in: %v", id, f.Name, err)
					}
				}
			}
		})
	}
}

func (r *importRig) read(id string) (body []byte, found bool, err error) {
	resource, err := r.store.Read(r.Context(), "Patient", id)
	return resource.Body, err == nil && len(resource.Body) > 0, err
}

// TestImportRefused: WI7. A resource that is refused is kept with the service's own
// words, which are in no error and no log; no later folder is sent.
func TestImportRefused(t *testing.T) {
	for _, full := range []bool{false, true} {
		r := newImportRig(t, healthlaketest.Traps{FullPaths: full, Refuse: func(key string, _ []byte) string {
			if strings.HasSuffix(key, "v1-1b") {
				return healthlaketest.ServerText
			}
			return ""
		}})
		err := r.run()
		if !errors.Is(err, importing.ErrRefused) {
			t.Fatalf("%v\n%s", err, &r.log)
		}
		kept, failed := os.ReadFile(importing.Failures(r.options.State, "", "v1-1"))
		r.check(failed)
		if lines := bytes.Count(kept, []byte("\n")); lines != 1 || !bytes.Contains(kept, []byte(`"file":"v1-1/Patient-v1-00000.ndjson","line":2`)) {
			t.Errorf("kept %s", kept)
		}
		for _, text := range []string{fmt.Sprint(err, pipeline.HintOf(err)), r.log.String()} {
			if strings.Contains(text, healthlaketest.ServerText) || strings.Contains(text, secretID) {
				t.Errorf("%q tells too much", text)
			}
		}
		if _, found, _ := r.read("v1-10a"); found {
			t.Error("a later folder was sent")
		}
		r.options.GoOnAfterFailures = true
		if err := r.run(); !errors.Is(err, importing.ErrRefused) {
			t.Error(err)
		}
		if _, found, err := r.read("v2-0a"); !found {
			t.Errorf("the last folder is not in: %v", err)
		}
		for _, violation := range r.simulation.Violations() {
			t.Error(violation)
		}
	}
}

// TestImportGivenUp: a job that fails within a folder holds up the later ones
// (I11), until the folder is sent again.
func TestImportGivenUp(t *testing.T) {
	fails := true
	r := newImportRig(t, healthlaketest.Traps{Fail: func(name string) (int64, string) {
		if fails && strings.Contains(name, "-v1-1-") {
			return 1, healthlaketest.ServerText
		}
		return 0, ""
	}})
	for range 2 {
		err := r.run()
		if pipeline.KindOf(err) != pipeline.KindFatal || strings.Contains(fmt.Sprint(err), healthlaketest.ServerText) {
			t.Fatal(err)
		}
	}
	r.simulation.SetTraps(func(*healthlaketest.Traps) { fails = false })
	r.options.Again = []string{"v1-1"}
	r.check(r.run())
	if _, found, err := r.read("v2-0a"); !found {
		t.Errorf("the last folder is not in: %v", err)
	}
}

// TestImportStrangeResults: what is not as the service writes it is an error that
// names the object, never silence.
func TestImportStrangeResults(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	other, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "other"}, objectstore.Options{PathStyle: true}, nil)
	r.check(err)
	defer other.Close()
	err = importing.New(r.store.Imports(objectstore.Location{Bucket: "bucket", Prefix: "clinic-a"}, other), r.records, r.options).Run(context.WithoutCancel(t.Context()), r.folders)
	if pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
		t.Errorf("results in another bucket: %v", err)
	}
}

// TestFailureNobodyCounts: FAILURE/ is read although the manifest counts nothing in
// it (WI7).
func TestFailureNobodyCounts(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op != "DescribeFHIRImportJob" {
				return healthlaketest.NoFault
			}
			for key := range r.memory.Objects() { // as soon as the job has written something
				if at := strings.Index(key, "/Manifest.json"); at > 0 && strings.HasPrefix(key, "out/") {
					r.memory.Put(key[:at]+"/FAILURE/v1-0/Patient-v1-00000.ndjson", []byte(`{"lineId":2,"exception":"`+healthlaketest.ServerText+`"}`+"\n"))
				}
			}
			return healthlaketest.NoFault
		}
	})
	err := r.run()
	if !errors.Is(err, importing.ErrDiffers) || !strings.Contains(fmt.Sprint(err), "failed 0, of which 1 are told") {
		t.Fatal(err)
	}
	if _, found, _ := r.read("v1-1a"); found {
		t.Error("a later folder was sent")
	}
}

// TestImportCancelled: a job that somebody cancels, also in vain, holds up the later
// folders until the folder is sent again (WI6).
func TestImportCancelled(t *testing.T) {
	for _, status := range []string{"CANCEL_COMPLETED", "CANCEL_FAILED"} {
		cancelled := false
		var r *importRig
		traps := healthlaketest.Traps{Running: 20 * time.Millisecond, CancelFails: status == "CANCEL_FAILED"}
		r = newImportRig(t, traps)
		r.options.Waiting = func(what string) {
			if what == "import of v1-1" && !cancelled {
				jobs, err := r.store.Unfinished(t.Context())
				cancelled = err == nil && len(jobs) == 1 && r.simulation.Cancel(jobs[0].ID)
			}
		}
		err := r.run()
		if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(fmt.Sprint(err), status) || !cancelled {
			t.Fatalf("%v, cancelled %v", err, cancelled)
		}
		if _, found, _ := r.read("v1-10a"); found {
			t.Error("a later folder was sent")
		}
		r.options.Again = []string{"v1-1"}
		r.check(r.run())
		if _, found, err := r.read("v2-0a"); !found {
			t.Errorf("the last folder is not in: %v", err)
		}
	}
}
