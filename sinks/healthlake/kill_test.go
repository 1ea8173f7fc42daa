package healthlake_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// childVariable makes the test binary a client that imports every folder and
// exits.
const childVariable = "FHIRHOSE_HEALTHLAKE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := importAll(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const folders = 4

// importAll imports one folder after the other. It remembers nothing: the tokens
// are a function of the folder.
func importAll(ctx context.Context) error {
	store, err := healthlake.Open(ctx, healthlake.Options{
		Datastore: healthlaketest.DatastoreID, RoleARN: "arn:aws:iam::123456789012:role/r", KMSKey: "key", Output: "s3://bucket/out",
	})
	if err != nil {
		return err
	}
	for n := range folders {
		name := fmt.Sprintf("v%d-0", n+1)
		id, err := store.StartImport(ctx, "s3://bucket/job/"+name, "token-"+name, name)
		if err != nil {
			return err
		}
		for over := false; !over; time.Sleep(5 * time.Millisecond) {
			job, err := store.DescribeImport(ctx, id)
			if err != nil {
				return err
			}
			over = job.Over()
		}
	}
	return nil
}

// Clients that are killed at any moment start no job twice, and none too early.
func TestKilledClients(t *testing.T) {
	dir := t.TempDir()
	simulation := healthlaketest.New(healthlaketest.Options{
		S3: healthlaketest.Directory(dir), Traps: healthlaketest.Traps{Running: 150 * time.Millisecond},
	})
	defer simulation.Close()
	server := httptest.NewServer(simulation)
	defer server.Close()
	r := &rig{T: t, simulation: simulation, dir: dir}
	for n := range folders {
		r.put(fmt.Sprintf("job/v%d-0/Patient-v%d-00000.ndjson", n+1, n+1), patient("a", n), patient(fmt.Sprint("b", n), n))
	}
	kills, between := 0, 0
	for {
		// Each lives longer than the one before, so that it ends on a slow machine too.
		life := 30*time.Millisecond + rand.N(200*time.Millisecond) + time.Duration(kills*kills)*5*time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), life)
		child := exec.CommandContext(ctx, os.Args[0])
		child.Env = append(os.Environ(), childVariable+"=1", "AWS_ENDPOINT_URL_HEALTHLAKE="+server.URL, "AWS_REGION=us-east-1",
			"AWS_ACCESS_KEY_ID="+healthlaketest.AccessKey, "AWS_SECRET_ACCESS_KEY="+healthlaketest.SecretKey,
			"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
		said, err := child.CombinedOutput()
		killed := ctx.Err() != nil
		cancel()
		if err == nil {
			break
		}
		failed, ended := errors.AsType[*exec.ExitError](err)
		late := errors.Is(err, context.DeadlineExceeded) // on a slow machine, to begin
		if !killed || !late && (!ended || failed.ExitCode() >= 0) {
			t.Fatalf("%v: %s", err, said)
		}
		kills++
		if n := simulation.Calls()["StartFHIRImportJob"]; n > 0 {
			between++
		}
	}
	if between == 0 {
		t.Fatalf("of %d kills none came in the middle", kills)
	}
	equal(t, simulation.Violations(), nil)
	equal(t, len(simulation.Current(healthlaketest.DatastoreID)), 1+folders)
	outputs, err := os.ReadDir(dir + "/bucket/out")
	r.check(err)
	equal(t, len(outputs), 1+folders) // a folder of each job, and the probe
	t.Logf("%d kills, %d with a job started", kills, between)
}
