package healthlake_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// secretID is the id of a resource: it must be in no error (I10).
const secretID = "Secret-Id-4711"

// rig is a simulation, reached without a network, and its buckets, which are
// directories.
type rig struct {
	*testing.T
	simulation *healthlaketest.Simulation
	dir        string
}

// bubble runs f inside of testing/synctest.
func bubble(t *testing.T, o healthlaketest.Options, f func(r *rig)) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": healthlaketest.AccessKey, "AWS_SECRET_ACCESS_KEY": healthlaketest.SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_HEALTHLAKE": "http://healthlake.example", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o.S3 = healthlaketest.Directory(dir)
		r := &rig{T: t, simulation: healthlaketest.New(o), dir: dir}
		defer r.simulation.Close()
		f(r)
	})
}

// open opens the store, with a change of its options.
func (r *rig) open(change ...func(*healthlake.Options)) (*healthlake.Store, error) {
	o := healthlake.Options{
		Datastore: healthlaketest.DatastoreID, RoleARN: "arn:aws:iam::123456789012:role/r", KMSKey: "key", Output: "s3://bucket/out",
		HTTPClient: &http.Client{Transport: r.simulation.Transport()}, RequestsPerSecond: 100,
	}
	for _, c := range change {
		c(&o)
	}
	return healthlake.Open(r.Context(), o)
}

func (r *rig) opened(change ...func(*healthlake.Options)) *healthlake.Store {
	r.Helper()
	store, err := r.open(change...)
	r.check(err)
	return store
}

// put writes a file of the bucket.
func (r *rig) put(file string, lines ...string) {
	r.Helper()
	path := filepath.Join(r.dir, "bucket", file)
	r.check(os.MkdirAll(filepath.Dir(path), 0o700))
	r.check(os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

func patient(id string, value int) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"value":%d.50}`, id, value)
}

// fault makes every call of some operations fail in one way.
func (r *rig) fault(with healthlaketest.Fault, operations ...string) {
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			for _, op := range operations {
				if c.Op == op {
					return with
				}
			}
			return healthlaketest.NoFault
		}
	})
}

func (r *rig) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// fails holds an error to its kind and to I10.
func (r *rig) fails(err error, kind pipeline.Kind, words string) {
	r.Helper()
	text := fmt.Sprint(err, " ", pipeline.HintOf(err))
	failure, ok := errors.AsType[*pipeline.Error](err)
	if !ok || failure.Kind != kind || !strings.Contains(text, words) {
		r.Errorf("%v is not of kind %d with %q", err, kind, words)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		text += fmt.Sprintf(" %v", e)
	}
	for _, secret := range []string{secretID, healthlaketest.ServerText, "http", healthlaketest.SecretKey} {
		if strings.Contains(text, secret) {
			r.Errorf("%q tells %q", text, secret)
		}
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

// await polls until an import is over.
func (r *rig) await(store *healthlake.Store, id string) healthlake.Job {
	r.Helper()
	for {
		job, err := store.DescribeImport(r.Context(), id)
		r.check(err)
		if job.Over() {
			return job
		}
		time.Sleep(time.Minute)
	}
}

// takes tells how long f takes, on the clock of the bubble.
func takes(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}
