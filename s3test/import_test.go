package s3test_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// migration is a job from an export in the gateway to a simulation of HealthLake
// over the same gateway. Its verbs are processes of the real binary.
type migration struct {
	*testing.T
	server     *s3test.Server
	simulation *healthlaketest.Simulation
	binary     string
	file       string // of the job
	env        []string
	said       bytes.Buffer // by all processes
}

const migrationJob = `job: a
source: {binaries: none, s3: {path_style: true}, dynamodb_export: {location: s3://exports/p/AWSDynamoDB/01693685827463-2d875200}}
sink: {location: s3://exports/out, s3: {path_style: true}}
layout: {max_folder_files: 3}
limits: {memory: 128MiB}
http: {listen: ""}
target: {healthlake: {datastore: ` + healthlaketest.DatastoreID + `, role_arn: "arn:aws:iam::123456789012:role/r",
  output: s3://exports/results, kms_key: key, bundle_size: 2, requests_per_second: 100}}
`

// secondStore is for jobs with more tenants than one.
const secondStore = "fedcba9876543210fedcba9876543210"

func newMigration(t *testing.T, traps healthlaketest.Traps) *migration {
	t.Helper()
	m := &migration{T: t, server: s3test.Start(t)}
	dir := t.TempDir()
	m.binary, m.file = realBinary(t), filepath.Join(dir, "fhirhose.yaml")
	check(t, os.WriteFile(m.file, []byte(migrationJob), 0o600))
	m.server.MakeBucket(t, bucketName)
	putExport(t, m.server, "p/AWSDynamoDB/01693685827463-2d875200", generate.Options{
		Seed: 3, Resources: migrated, Types: 5, Even: true, Versions: 3, Objects: 3,
	})
	env := m.server.Env()
	m.simulation = healthlaketest.New(healthlaketest.Options{
		S3: healthlaketest.FromClient(m.server.Client), Traps: traps,
		Keys:   map[string]string{env["AWS_ACCESS_KEY_ID"]: env["AWS_SECRET_ACCESS_KEY"]},
		Stores: []healthlaketest.Store{{ID: healthlaketest.DatastoreID}, {ID: secondStore}},
	})
	service := httptest.NewServer(m.simulation)
	t.Cleanup(func() { service.Close(); m.simulation.Close() })
	t.Setenv("AWS_ENDPOINT_URL_HEALTHLAKE", service.URL)
	m.env = os.Environ()
	return m
}

// migrated is how many resources a migration moves: about one in fifty is deleted.
const migrated = 600

// realBinary builds fhirhose, once for all tests.
func realBinary(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "fhirhose-binary-"); built.err != nil {
			return
		}
		build := exec.CommandContext(t.Context(), "go", "build", "-o", built.path(), "./cmd/fhirhose")
		build.Dir = ".." // a module of its own
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	check(t, built.err)
	return built.path()
}

// removeBinary removes it again, if there is one.
func removeBinary() { _ = os.RemoveAll(built.dir) }

var built binary

type binary struct {
	sync.Once
	dir string
	err error
}

func (b *binary) path() string { return filepath.Join(b.dir, "fhirhose") }

// run runs a verb, for as long as ctx lasts.
func (m *migration) run(ctx context.Context, verb string, flags ...string) (exit int) {
	m.Helper()
	process := exec.CommandContext(ctx, m.binary, append([]string{verb, "-c", m.file, "--log-level", "debug"}, flags...)...)
	process.Env, process.Stdout, process.Stderr = m.env, &m.said, &m.said
	err := process.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return ended.ExitCode()
	}
	check(m.T, err)
	return 0
}

// histories are the digests of all versions of each resource, the oldest first.
type histories map[string][]digest.Sums

func (h histories) add(t *testing.T, line []byte) {
	t.Helper()
	var it struct{ ResourceType, ID string }
	check(t, json.Unmarshal(line, &it))
	var d digest.Digester
	sums, reason := d.Resource(line)
	if reason != 0 {
		t.Fatal(reason)
	}
	key := it.ResourceType + "/" + it.ID
	h[key] = append(h[key], sums)
}

// deleted reads from what the move has written which resources are deleted: those
// whose last version is. The generator writes no other row that is left out of the
// output than pending ones, which never happened.
func (m *migration) deleted() map[string]bool {
	m.Helper()
	last, gone := map[string]int{}, map[string]bool{}
	for name, object := range m.server.Objects(m.T, bucketName, "out/a/") {
		if !strings.HasSuffix(name, ".ndjson") || strings.Contains(name, "/_fhirhose/") {
			continue
		}
		v := versionOf(m.T, name)
		for line := range bytes.Lines(object.Content) {
			var it struct {
				ResourceType, ID string
				Meta             struct{ Tag []struct{ Code string } }
			}
			check(m.T, json.Unmarshal(line, &it))
			key := it.ResourceType + "/" + it.ID
			if v > last[key] {
				last[key], gone[key] = v, false
				for _, tag := range it.Meta.Tag {
					gone[key] = gone[key] || tag.Code == "DELETED"
				}
			}
		}
	}
	maps.DeleteFunc(gone, func(_ string, is bool) bool { return !is })
	return gone
}

// versionOf reads <Type>-v<version>-<number>.ndjson.
func versionOf(t *testing.T, key string) (n int) {
	t.Helper()
	_, err := fmt.Sscanf(path.Base(key)[strings.Index(path.Base(key), "-v"):], "-v%d-", &n)
	check(t, err)
	return n
}

// written reads what the move has written, in the order of versions.
func (m *migration) written() histories {
	m.Helper()
	objects := m.server.Objects(m.T, bucketName, "out/a/")
	names := slices.DeleteFunc(slices.Collect(maps.Keys(objects)), func(key string) bool {
		return !strings.HasSuffix(key, ".ndjson") || strings.Contains(key, "/_fhirhose/")
	})
	slices.SortFunc(names, func(a, b string) int { return versionOf(m.T, a) - versionOf(m.T, b) })
	all := histories{}
	for _, name := range names {
		for line := range bytes.Lines(objects[name].Content) {
			all.add(m.T, bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	return all
}

// stored reads the histories of the same resources from the data store, and how
// often each was deleted, as the newest version.
func (m *migration) stored(want histories) (all histories, deletions map[string]int) {
	m.Helper()
	store, err := healthlake.Open(m.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID, RequestsPerSecond: 10_000})
	check(m.T, err)
	all, deletions = histories{}, map[string]int{}
	for key := range want {
		kind, id, _ := strings.Cut(key, "/")
		history, err := store.History(m.Context(), kind, id)
		check(m.T, err)
		for i, v := range slices.Backward(history) {
			switch {
			case v.Body != nil:
				all.add(m.T, v.Body)
			case i > 0:
				m.Errorf("%s was deleted before its last version", key)
			default:
				deletions[key]++
			}
		}
	}
	return all, deletions
}

// TestMigration: an export is moved and imported, both by processes that are
// killed again and again, some of them while they delete. Every version of every
// resource arrives once, in order, no job is started twice, what is deleted in the
// source is deleted, once and nothing else, and nothing that was said names a
// resource.
func TestMigration(t *testing.T) {
	batches := make(chan struct{}, 1) // of deleting, one in which a process is to die
	m := newMigration(t, healthlaketest.Traps{
		Running: 400 * time.Millisecond, ListLag: 300 * time.Millisecond,
		Latency: func(c healthlaketest.Call) time.Duration {
			if c.Op != "batch" || c.N%5 != 3 || c.N > 20 {
				return 0
			}
			select {
			case batches <- struct{}{}:
			default:
			}
			return time.Second // it is carried out, and nobody lives to hear of it
		},
	})
	if exit := m.run(t.Context(), "move"); exit != 0 {
		t.Fatalf("exit %d\n%s", exit, m.said.String())
	}
	kills, within, deleting, exit := 0, 0, 0, -1
	for exit != 0 {
		// Each lives longer than the one before, so that it ends on a slow machine too.
		life := 100*time.Millisecond + rand.N(1500*time.Millisecond) + time.Duration(kills*kills)*20*time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), life)
		over := make(chan struct{})
		var waiting sync.WaitGroup
		waiting.Go(func() {
			select {
			case <-batches:
				deleting++
				cancel()
			case <-over:
			}
		})
		exit = m.run(ctx, "import")
		killed := ctx.Err() != nil
		cancel()
		close(over)
		waiting.Wait()
		if exit == 0 {
			break
		}
		if exit >= 0 || !killed {
			t.Fatalf("exit %d\n%s", exit, m.said.String())
		}
		kills++
		if m.simulation.Calls()["StartFHIRImportJob"] > 0 {
			within++
		}
	}
	if within == 0 || deleting == 0 {
		t.Errorf("of %d kills %d came in the middle, %d while deleting", kills, within, deleting)
	}
	for _, violation := range m.simulation.Violations() {
		t.Error(violation)
	}
	want := m.written()
	got, deletions := m.stored(want)
	deleted := m.deleted()
	if n := len(m.simulation.Current(healthlaketest.DatastoreID)); len(want) != migrated || n != len(want)-len(deleted) || len(deleted) < 8 {
		t.Errorf("%d resources written, %d of them deleted, %d stored", len(want), len(deleted), n)
	}
	for key := range want {
		if n := deletions[key]; n > 1 || deleted[key] != (n == 1) {
			t.Errorf("%s was deleted %d times", key, n)
		}
	}
	if words := fmt.Sprintf("deletes   %d applied, 0 were gone already\n", len(deleted)); !strings.Contains(m.said.String(), words) {
		t.Errorf("without %q", words)
	}
	versions := 0
	for key, sums := range want {
		versions += len(sums)
		if !slices.Equal(got[key], sums) {
			t.Errorf("%s: %d versions arrived of %d, or in another order, or changed", key, len(got[key]), len(sums))
		}
		if _, id, _ := strings.Cut(key, "/"); strings.Contains(m.said.String(), id) {
			t.Errorf("%s was told", key)
		}
	}
	if versions <= len(want) {
		t.Error("no resource has a history")
	}
	if strings.Contains(m.said.String(), healthlaketest.ServerText) {
		t.Error("the server's words were told")
	}
	before := m.simulation.Calls()
	starts := before["StartFHIRImportJob"]
	exit = m.run(t.Context(), "import")
	if now := m.simulation.Calls(); exit != 0 || now["StartFHIRImportJob"] != starts || now["batch"] != before["batch"] {
		t.Errorf("again: exit %d, %d starts and %d batches more", exit, now["StartFHIRImportJob"]-starts, now["batch"]-before["batch"])
	}
	t.Logf("%d kills, %d of them within the import, %d while deleting; %d calls to start, %d versions of %d resources, %d deleted",
		kills, within, deleting, starts, versions, len(want), len(deleted))
}
