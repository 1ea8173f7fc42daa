package s3test_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sinks/bucket"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
	"github.com/fhirhose/fhirhose/sources/fhirworks/folders"
)

// buckets is an export and a sink in the gateway. The environment says where the
// gateway is, for children too.
type buckets struct {
	Export, Sink string // prefixes; Sink is the job's own, <root>/job
	All          bool   // tenants have theirs: <root>/<tenant>/job
	Folders      bool   // Export has folders of the FHIR Works tool
	server       *s3test.Server
}

func (b buckets) store(ctx context.Context, prefix string) (*objectstore.Store, error) {
	return objectstore.Open(ctx, objectstore.Location{Bucket: bucketName, Prefix: prefix}, objectstore.Options{
		PathStyle: true, MaxBackoff: 20 * time.Millisecond, IdleTimeout: 2 * time.Second, CredentialPatience: 8 * time.Second,
	}, nil)
}

func (b buckets) Open(ctx context.Context, state string) (pipeline.Source, recordstest.Sinks, func(), error) {
	in, err := b.store(ctx, b.Export)
	if err != nil {
		return nil, nil, nil, err
	}
	source, err := b.source(ctx, in, state)
	if err != nil {
		return nil, nil, nil, err
	}
	out, err := b.store(ctx, b.Sink)
	if err != nil {
		return nil, nil, nil, err
	}
	sink, err := bucket.Open(ctx, bucket.Options{Store: out, Tails: filepath.Join(state, "tails"), PartSize: minPart})
	if err != nil {
		return nil, nil, nil, err
	}
	sinks := func(tenant string) (pipeline.Sink, error) {
		if tenant == "" {
			return sink.Beside(b.Sink, filepath.Join(state, "tails")) // one for each pipeline
		}
		return sink.Beside(path.Join(path.Dir(b.Sink), tenant, path.Base(b.Sink)), filepath.Join(state, "tails of tenants", hex.EncodeToString([]byte(tenant))))
	}
	return source, sinks, func() { sink.Close(); out.Close(); in.Close() }, nil
}

func (b buckets) source(ctx context.Context, in *objectstore.Store, state string) (pipeline.Source, error) {
	if b.Folders {
		return folders.Open(ctx, folders.Options{Bucket: in, StateDir: state})
	}
	return dynamoexport.Open(ctx, dynamoexport.Options{Bucket: in, StateDir: state})
}

// root is what all that the job writes lies below.
func (b buckets) root() string {
	if b.All {
		return path.Dir(b.Sink) + "/"
	}
	return b.Sink + "/"
}

// Tree lists keys, bytes and ETags of what is visible, and unfinished uploads.
func (b buckets) Tree(t testing.TB) (tree []string) {
	objects := b.server.Objects(t, bucketName, b.root())
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if name := strings.TrimPrefix(key, b.root()); !strings.HasSuffix(name, "_fhirhose/claim.json") {
			o := objects[key]
			tree = append(tree, fmt.Sprintf("%s %d %x %s", name, len(o.Content), sha256.Sum256(o.Content), o.ETag))
		}
	}
	for _, key := range b.server.Uploads(t, bucketName) {
		if strings.HasPrefix(key, b.root()) {
			tree = append(tree, "upload of "+key)
		}
	}
	return tree
}

func (b buckets) Announced(t testing.TB) bool {
	name := "/migration_output.json"
	if b.All {
		name = "/_fhirhose/manifest.json"
	}
	return len(b.server.Objects(t, bucketName, b.Sink+name)) > 0
}

// jobs lays an export into the gateway that rolls a folder, has a file of three
// parts of 5 MiB, S3's least, and has three objects for each lane.
func jobs(t *testing.T, server *s3test.Server) func(t *testing.T) recordstest.Job {
	server.MakeBucket(t, bucketName)
	options, err := generate.Sized(generate.Options{Dir: t.TempDir(), Seed: 11, Types: 2, Versions: 2, Objects: 9}, 34_000_000)
	check(t, err)
	const export = "p/AWSDynamoDB/01693685827463-2d8752fd"
	putExport(t, server, export, options)
	var n atomic.Int64
	return func(t *testing.T) recordstest.Job {
		o := recordstest.SmallOptions()
		o.Caps.FileBytes, o.Caps.FolderBytes = 12_000_000, 16_500_000
		o.BatchBytes, o.SegmentEntries, o.CutBytes = 64<<10, 5000, 2_000_000
		place := buckets{Export: export, Sink: fmt.Sprintf("sink-%d/job", n.Add(1)), server: server}
		return recordstest.Job{Place: place, State: t.TempDir(), Options: o}
	}
}

// putTree puts every file below a directory into the bucket.
func putTree(t *testing.T, server *s3test.Server, dir, prefix string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		server.Put(t, bucketName, prefix+"/"+filepath.ToSlash(name), content)
		return err
	}))
}

// putExport lays an export into the gateway.
func putExport(t *testing.T, server *s3test.Server, export string, options generate.Options) {
	t.Helper()
	options.Dir = t.TempDir()
	_, err := generate.Write(t.Context(), options)
	check(t, err)
	putTree(t, server, options.Dir, export)
}

func TestKillAtEveryPoint(t *testing.T) {
	recordstest.KillAtEveryPoint(t, jobs(t, s3test.Start(t)),
		"stage", "staged", "write", "fsync", "commit", "committed", "upload part", "part uploaded", "complete upload")
}

// tenantJobs lays a small export of several tenants into the gateway.
func tenantJobs(t *testing.T, server *s3test.Server) func(t *testing.T) recordstest.Job {
	server.MakeBucket(t, bucketName)
	const export = "p/AWSDynamoDB/01693685827463-1d8752fd"
	putExport(t, server, export, generate.Options{
		Seed: 9, Resources: 60, Types: 2, Versions: 2, Objects: 5, Tenants: []string{"a", "a_", "job"}, Plant: []generate.Defect{generate.NoMeta, generate.TenantMismatch},
	})
	var n atomic.Int64
	return func(t *testing.T) recordstest.Job {
		o := recordstest.SmallOptions()
		o.Convert.Tenant = convert.AllTenants
		place := buckets{Export: export, Sink: fmt.Sprintf("sink-of-tenants-%d/job", n.Add(1)), All: true, server: server}
		return recordstest.Job{Place: place, State: t.TempDir(), Options: o}
	}
}

func TestKillAllTenantsAtEveryPoint(t *testing.T) {
	recordstest.KillAtEveryPoint(t, tenantJobs(t, s3test.Start(t)), "write", "fsync", "commit", "committed", "put")
}

func TestKillAtRandomMoments(t *testing.T) {
	recordstest.KillAtRandomMoments(t, jobs(t, s3test.Start(t)), 25)
}

// TestFoldersMovedAgain: the folders of a job are moved again, whole, through faults,
// and killed, with every line that they had.
func TestFoldersMovedAgain(t *testing.T) {
	server := s3test.Start(t)
	server.MakeBucket(t, bucketName)
	const export = "p/AWSDynamoDB/01693685827463-3d8752fd"
	putExport(t, server, export, generate.Options{Seed: 12, Resources: 400, Types: 3, Versions: 2, Objects: 5})
	first := recordstest.Job{Place: buckets{Export: export, Sink: "moved/job", server: server}, State: t.TempDir(), Options: recordstest.SmallOptions()}
	moved := first.MustRun(t).Status()
	var n atomic.Int64
	again := func(t *testing.T) recordstest.Job {
		o := recordstest.SmallOptions()
		o.Convert.Resources, o.Caps.FileBytes, o.Caps.FolderBytes = true, 10<<10, 90<<10
		place := buckets{Export: "moved/job", Folders: true, Sink: fmt.Sprintf("again-%d/job", n.Add(1)), server: server}
		return recordstest.Job{Place: place, State: t.TempDir(), Options: o}
	}
	whole := again(t)
	if s := whole.MustRun(t).Status(); s.Read() != moved.Written() || s.Written() != moved.Written() {
		t.Errorf("%d read, %d written, of %d", s.Read(), s.Written(), moved.Written())
	}
	faulty := again(t)
	server.Faults.Decide(objecttest.Seeded(3, 0.2, objecttest.Transient()...))
	faulty.MustRun(t)
	server.Faults.Decide(nil)
	recordstest.SameTree(t, faulty.Place.Tree(t), whole.Place.Tree(t))
	recordstest.KillAtEveryPoint(t, again, "stage", "staged", "write", "commit", "committed")
}

// TestMoveThroughFaults: with 20 % of all calls failing in every way that the
// proxy knows, keys, bytes and ETags are those of a run without faults, nothing
// is left over, and attempts stay bounded.
func TestMoveThroughFaults(t *testing.T) {
	server := s3test.Start(t)
	newJob := jobs(t, server)
	whole := newJob(t)
	before, _ := server.Faults.Counts()
	whole.MustRun(t)
	after, _ := server.Faults.Counts()
	want := whole.Place.Tree(t)
	parts := 0
	for _, line := range want {
		if strings.Contains(line, "-3\"") {
			parts++
		}
	}
	if parts == 0 {
		t.Errorf("no file of three parts in\n%s", strings.Join(want, "\n"))
	}
	for _, folder := range []string{"v1-0/", "v1-1/"} {
		if !slices.ContainsFunc(want, func(line string) bool { return strings.HasPrefix(line, folder) }) {
			t.Errorf("no folder %s", folder)
		}
	}
	j := newJob(t)
	server.Faults.Decide(objecttest.Seeded(1, 0.2, objecttest.Transient()...))
	j.MustRun(t)
	server.Faults.Decide(nil)
	through, injected := server.Faults.Counts()
	recordstest.SameTree(t, j.Place.Tree(t), want)
	if calls, least := through-after, after-before; calls > 2*least {
		t.Errorf("%d calls where %d suffice without faults", calls, least)
	}
	t.Logf("%d calls without faults, %d with; injected %v", after-before, through-after, injected)
}
