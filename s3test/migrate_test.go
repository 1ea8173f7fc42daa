package s3test_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
)

// mostKills is how often migrations are killed in CI, at least.
const (
	mostKills = 25
	mostOfOne = 15 // in one migration
)

// wholeJob is a job from a table with Binaries to a verified data store.
var wholeJob = strings.NewReplacer(
	"binaries: none", "binaries: s3://exports/contents",
	"location: s3://exports/p/AWSDynamoDB/01693685827463-2d875200", "table_arn: '"+dynamodbtest.TableARN+"', export_to: s3://exports/p",
	"max_folder_files: 3", "max_folder_files: 10", "kms_key: key", "kms_key: key, max_jobs_queued: 3", "128MiB", "256MiB",
).Replace(migrationJob) + "verify: {export_to: s3://exports/verification}\n"

// whole is a migration that begins with a table.
type whole struct {
	*migration
	tables *dynamodbtest.Simulation
}

func newWhole(t *testing.T, job string, tenants ...string) *whole {
	t.Helper()
	m := &whole{migration: newMigration(t, healthlaketest.Traps{
		Queued: 50 * time.Millisecond, Running: 100 * time.Millisecond, ListLag: 100 * time.Millisecond, ThrottleEvery: 20,
	})}
	check(t, os.WriteFile(m.file, []byte(job), 0o600))
	options := generate.Options{
		Dir: t.TempDir(), Contents: t.TempDir(), Seed: 3, Resources: 240, Types: 24, Even: true, Versions: 3, Objects: 3, Tenants: tenants,
	}
	_, err := generate.Write(t.Context(), options)
	check(t, err)
	putTree(t, m.server, options.Contents, "contents")
	env := m.server.Env()
	m.tables = dynamodbtest.New(dynamodbtest.Options{
		S3: healthlaketest.FromClient(m.server.Client), Keys: map[string]string{env["AWS_ACCESS_KEY_ID"]: env["AWS_SECRET_ACCESS_KEY"]},
		Traps: dynamodbtest.Traps{Running: 100 * time.Millisecond, ListLag: 100 * time.Millisecond},
		Tables: []dynamodbtest.Table{{ARN: dynamodbtest.TableARN, Write: func(dir, prefix string) (int64, int64, error) {
			again := options
			again.Dir, again.Prefix = dir, prefix
			made, err := generate.Write(context.Background(), again)
			return made.Items, made.Bytes, err
		}}},
	})
	service := httptest.NewServer(m.tables)
	t.Cleanup(service.Close)
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", service.URL)
	m.env = os.Environ()
	return m
}

// outcome is what a migration leaves behind.
type outcome struct {
	tree    map[string]string // what the move has written, but for what differs from run to run
	stored  histories
	deleted map[string]int // deletions of a resource
	current int            // resources in the data store
	starts  int            // of imports
	exports int            // of the table
}

func (m *whole) outcome() *outcome {
	m.Helper()
	for _, violation := range m.simulation.Violations() {
		m.Error(violation)
	}
	if !strings.Contains(m.said.String(), "SAFE TO CUT OVER: yes") {
		m.Errorf("not safe\n%s", m.said.String())
	}
	if strings.Contains(m.said.String(), healthlaketest.ServerText) {
		m.Error("the server's words were told")
	}
	o := &outcome{
		tree: map[string]string{}, current: len(m.simulation.Current(healthlaketest.DatastoreID)),
		starts: m.simulation.Calls()["StartFHIRImportJob"], exports: len(m.tables.Exports()),
	}
	o.stored, o.deleted = m.stored(m.written())
	for key := range o.stored {
		if _, id, _ := strings.Cut(key, "/"); strings.Contains(m.said.String(), id) {
			m.Errorf("%s was told", key)
		}
	}
	var export []string // its id is in the names of objects, which the manifest has, and tells when it was made
	for _, arn := range m.tables.Exports() {
		export = append(export, path.Base(arn), "EXPORT")
	}
	likeAny := strings.NewReplacer(export...)
	for key, object := range m.server.Objects(m.T, bucketName, "out/a/") {
		// The claim is a random one, the audit log tells when and where.
		if !strings.HasSuffix(key, "/claim.json") && !strings.Contains(key, "audit") {
			o.tree[key] = likeAny.Replace(string(object.Content))
		}
	}
	return o
}

// TestMigrateThroughKills: a whole migration of processes that are killed ends as
// one that was left alone: the same folders, byte for byte, the same histories in
// the data store, the same answer. The table is exported once, no import job is
// started twice, and no version follows a newer one.
func TestMigrateThroughKills(t *testing.T) {
	alone := newWhole(t, wholeJob)
	begun := time.Now()
	if exit := alone.run(t.Context(), "migrate"); exit != 0 {
		t.Fatalf("exit %d\n%s", exit, alone.said.String())
	}
	took := time.Since(begun)
	want := alone.outcome()
	kills, verbs := 0, map[string]int{}
	for round := 1; kills < mostKills; round++ {
		m := newWhole(t, wholeJob)
		kills += m.runThroughKills(took/5, verbs)
		got := m.outcome()
		if len(want.tree) == 0 || want.current == 0 || !maps.Equal(got.tree, want.tree) {
			t.Errorf("other folders than without kills: %s", differences(got.tree, want.tree))
		}
		if !maps.EqualFunc(got.stored, want.stored, slices.Equal) || !maps.Equal(got.deleted, want.deleted) || got.current != want.current {
			t.Errorf("another data store than without kills: %d current resources, and %d", got.current, want.current)
		}
		if got.exports != 1 || want.exports != 1 {
			t.Errorf("the table was exported %d times", got.exports)
		}
		if exit := m.run(t.Context(), "migrate"); exit != 0 {
			t.Errorf("again: exit %d\n%s", exit, m.said.String())
		}
		if again := m.outcome(); again.starts != got.starts || again.exports != 1 || !maps.Equal(again.tree, got.tree) {
			t.Error("a finished migration did something")
		}
		t.Logf("%d kills in %d migrations, by what was under way: %v", kills, round, verbs)
	}
}

// TestMigrateTenants: all tenants of a table, each into a data store of its own,
// through kills; and every mode of verification says that all has arrived.
func TestMigrateTenants(t *testing.T) {
	job := strings.NewReplacer(
		"source: {", "source: {tenant: '*', ",
		"datastore: "+healthlaketest.DatastoreID, "datastores: {a: "+healthlaketest.DatastoreID+", a_b: "+secondStore+"}",
	).Replace(wholeJob)
	m := newWhole(t, job, "a", "a_b")
	verbs := map[string]int{}
	kills := m.runThroughKills(time.Second, verbs)
	for _, mode := range []string{"counts", "sample", "full", "history", "export"} {
		if exit := m.run(t.Context(), "verify", "--mode", mode); exit != 0 {
			t.Errorf("mode %s: exit %d", mode, exit)
		}
	}
	for _, violation := range m.simulation.Violations() {
		t.Error(violation)
	}
	one, other := m.simulation.Current(healthlaketest.DatastoreID), m.simulation.Current(secondStore)
	if len(one) == 0 || len(other) == 0 {
		t.Errorf("%d resources of one tenant and %d of the other", len(one), len(other))
	}
	for key := range one {
		if other[key] != nil {
			t.Errorf("%s is in both data stores", key)
		}
	}
	if t.Failed() {
		t.Log(m.said.String())
	}
	t.Logf("%d kills, by what was under way: %v; %d and %d resources", kills, verbs, len(one), len(other))
}

// runThroughKills migrates by processes that live no longer than that, and counts
// the deaths by what was under way. After some it is left alone.
func (m *whole) runThroughKills(longest time.Duration, verbs map[string]int) (kills int) {
	m.Helper()
	for exit := -1; exit != 0; {
		life := 50*time.Millisecond + rand.N(longest)
		if kills >= mostOfOne {
			life = time.Hour
		}
		before := m.said.Len()
		ctx, cancel := context.WithTimeout(m.Context(), life)
		exit = m.run(ctx, "migrate")
		dead := ctx.Err() != nil
		cancel()
		if exit != 0 && (exit > 0 || !dead) {
			m.Fatalf("exit %d\n%s", exit, m.said.String()[before:])
		}
		if exit != 0 {
			kills++
			verbs[lastVerb(m.said.String()[before:])]++
		}
	}
	return kills
}

// differences names the objects that are not the same in two trees.
func differences(a, b map[string]string) string {
	var names []string
	for key := range a {
		if content, ok := b[key]; !ok || content != a[key] {
			names = append(names, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	return fmt.Sprint(names)
}

// lastVerb is the phase that was under way when a process fell silent.
func lastVerb(said string) string {
	at := strings.LastIndex(said, "verb=")
	if at < 0 {
		return "none"
	}
	verb, _, _ := strings.Cut(said[at+len("verb="):], "\n")
	return verb
}
