package s3test_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sources/binarybucket"
)

// vaults are buckets with the contents of Binaries. A child of a job without them
// decodes to one too.
type vaults struct {
	buckets
	Contents string // prefix
}

var _ recordstest.ContentPlace = vaults{}

func (v vaults) OpenContents(ctx context.Context, state string) (pipeline.Contents, func() error, error) {
	store, err := v.store(ctx, v.Contents)
	if err != nil {
		return nil, nil, err
	}
	source, err := binarybucket.Open(binarybucket.Options{Bucket: store, StateDir: state, RangeBytes: 1 << 20})
	if err != nil {
		return nil, nil, err
	}
	return source, func() error { err := source.Close(); store.Close(); return err }, nil
}

// contentsJobs lays an export and contents into the gateway: a large one among
// small ones. With 13 MB its line takes four parts of 5 MiB.
func contentsJobs(t *testing.T, server *s3test.Server, large int) func(t *testing.T) recordstest.Job {
	server.MakeBucket(t, bucketName)
	row := func(kind, id string) string {
		return fmt.Sprintf(`{"Item":{"resourceType":{"S":%q},"id":{"S":%q},"vid":{"N":"1"},"meta":{"M":{"versionId":{"S":"1"},`+
			`"lastUpdated":{"S":"2023-08-02T10:00:00.123Z"}}},"documentStatus":{"S":"AVAILABLE"}}}`, kind, id)
	}
	random := rand.NewChaCha8([32]byte{5})
	put := func(key string, n int) {
		content := make([]byte, n)
		_, _ = random.Read(content)
		server.Put(t, bucketName, "contents/"+key, content)
	}
	var objects [][]string
	for i := range 4 {
		var rows []string
		for k := range 300 {
			rows = append(rows, row("Patient", fmt.Sprintf("p-%d-%d", i, k)))
		}
		for k := range 8 {
			id := fmt.Sprintf("b-%d-%d", i, k)
			rows = append(rows, row("Binary", id))
			if k != 3 { // missing
				put(id+"_1.false", 10_000*k)
			}
		}
		objects = append(objects, rows)
	}
	objects[1] = append(objects[1], row("Binary", "large"))
	put("large_1.bin", large)
	put("orphan_1.bin", 1)
	return jobsOver(t, server, objects, int64(large)/3*4+2_500_000)
}

// jobsOver puts the rows beside the contents that lie in the gateway.
func jobsOver(t *testing.T, server *s3test.Server, rows [][]string, caps int64) func(t *testing.T) recordstest.Job {
	t.Helper()
	dir := t.TempDir()
	_, err := generate.WriteObjects(dir, rows)
	check(t, err)
	const export = "p/AWSDynamoDB/01693685827463-2d8752ff"
	putTree(t, server, dir, export)
	var n atomic.Int64
	return func(t *testing.T) recordstest.Job {
		o := recordstest.SmallOptions()
		o.CutBytes, o.Convert.BinaryField = 1_000_000, "data"
		o.Binaries = &binaries.Options{
			Caps:  shard.Caps{FileBytes: caps, FolderBytes: caps / 2 * 3, FolderFiles: 10},
			Spool: 1 << 30, Fetches: 4, SmallBytes: 64 << 10, ChunkBytes: 3 << 16,
		}
		place := vaults{buckets{Export: export, Sink: fmt.Sprintf("contents-sink-%d/job", n.Add(1)), server: server}, "contents"}
		return recordstest.Job{Place: place, State: t.TempDir(), Options: o}
	}
}

// TestKillContents: both pipelines between buckets, killed a few times.
func TestKillContents(t *testing.T) {
	recordstest.KillAtRandomMoments(t, contentsJobs(t, s3test.Start(t), 13_000_001), 5)
}

// TestKillWithinLargeContent: a content of 200 MB, which takes 51 parts, killed
// while it is staged, encoded and sent.
func TestKillWithinLargeContent(t *testing.T) {
	newJob := contentsJobs(t, s3test.Start(t), 200_000_001)
	recordstest.KillWithinLarge(t, func(t *testing.T) recordstest.Job {
		j := newJob(t)
		j.Options.CutEvery, j.Options.CutBytes = 50*time.Millisecond, 8_000_000
		return j
	},
		recordstest.Moment{Since: "range", Point: "range", N: 50},
		recordstest.Moment{Since: "chunk", Point: "part uploaded", N: 12},
		recordstest.Moment{Since: "chunk", Within: 300 * time.Millisecond},
	)
}

// TestContentsThroughFaults: with a fifth of all calls failing, what comes out is
// what comes without.
func TestContentsThroughFaults(t *testing.T) {
	server := s3test.Start(t)
	newJob := contentsJobs(t, server, 13_000_001)
	whole := newJob(t)
	s := whole.MustRun(t).Status()
	if s.Binaries.Written != 29 || s.Binaries.Quarantined["content-missing"] != 4 || s.Binaries.Orphans.Newer != 1 {
		t.Errorf("binaries %+v, orphans %+v", s.Binaries, s.Binaries.Orphans)
	}
	want := whole.Place.Tree(t)
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			j := newJob(t)
			calls, before := server.Faults.Counts()
			server.Faults.Decide(objecttest.Seeded(seed, 0.2, objecttest.Transient()...))
			j.MustRun(t)
			server.Faults.Decide(nil)
			recordstest.SameTree(t, j.Place.Tree(t), want)
			all, after := server.Faults.Counts()
			failed := 0
			for fault, n := range after {
				failed += n - before[fault]
			}
			t.Logf("%d of %d calls failed", failed, all-calls)
			if failed*10 < all-calls {
				t.Errorf("only %d of %d calls failed", failed, all-calls)
			}
		})
	}
}

// TestCanaryOfTheCheckpoint: what sinks in a bucket keep of open files, with calls
// failing, holds nothing of them either (I10).
func TestCanaryOfTheCheckpoint(t *testing.T) {
	server := s3test.Start(t)
	server.MakeBucket(t, bucketName)
	rows := make([][]string, 4)
	for n := range 100 {
		row := recordstest.CanaryRow(n)
		if n%10 == 7 {
			row = recordstest.CanaryBinary(n)
			server.Put(t, bucketName, "contents/"+recordstest.CanaryKey(n)+"pdf", recordstest.CanaryContent(n*n*400))
		}
		rows[n%4] = append(rows[n%4], row)
	}
	j := jobsOver(t, server, rows, 50_000_000)(t)
	server.Faults.Decide(objecttest.Seeded(1, 0.1, objecttest.Transient()...))
	defer server.Faults.Decide(nil)
	recordstest.NoCanaryCommitted(t, j)
}
