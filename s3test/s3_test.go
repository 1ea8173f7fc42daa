package s3test_test

import (
	"context"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sinks/bucket"
	"github.com/fhirhose/fhirhose/sinks/sinktest"
)

func TestMain(m *testing.M) {
	os.Exit(recordstest.Main(func() int { defer removeBinary(); return s3test.Main(m) }, func(text []byte) (recordstest.Place, error) {
		var p vaults
		return p, json.Unmarshal(text, &p)
	}))
}

const (
	bucketName = "exports"
	prefix     = "some/job"
	minPart    = 5 << 20 // S3's smallest part but the last, which the gateway enforces
)

// rig is a job's folder in a bucket of the gateway.
type rig struct {
	t      *testing.T
	server *s3test.Server
	store  *objectstore.Store
	tails  string
}

func newRig(t *testing.T) *rig {
	server := s3test.Start(t)
	server.MakeBucket(t, bucketName)
	store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: bucketName, Prefix: prefix},
		objectstore.Options{
			PathStyle: true, MaxBackoff: 20 * time.Millisecond, IdleTimeout: 20 * time.Second,
			CredentialPatience: 8 * time.Second,
		}, nil)
	check(t, err)
	t.Cleanup(store.Close)
	return &rig{t: t, server: server, store: store, tails: filepath.Join(t.TempDir(), "tails")}
}

func (r *rig) open() (*bucket.Sink, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	sink, err := bucket.Open(ctx, bucket.Options{Store: r.store, Tails: r.tails, PartSize: minPart, Transfers: 4, Hot: 1})
	check(r.t, err)
	return sink, func() { cancel(); sink.Close() }
}

func (r *rig) visible(under string) map[string][]byte {
	visible := map[string][]byte{}
	for key, o := range r.server.Objects(r.t, bucketName, prefix+"/"+under) {
		visible[strings.TrimPrefix(key, prefix+"/")] = o.Content
	}
	return visible
}

func (r *rig) leftovers() (left []string) {
	for _, key := range r.server.Uploads(r.t, bucketName) {
		left = append(left, "upload of "+key)
	}
	_ = filepath.WalkDir(r.tails, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			left = append(left, path)
		}
		return nil
	})
	return left
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (try: %s)", err, pipeline.HintOf(err))
	}
}

func TestBucketConformance(t *testing.T) {
	check(t, flag.Set("rapid.checks", "15")) // each moves megabytes
	sinktest.Run(t, func(t *testing.T) sinktest.Place {
		r := newRig(t)
		return sinktest.Place{
			Open:      func() (pipeline.Sink, func()) { return r.open() },
			Visible:   r.visible,
			Leftovers: r.leftovers,
			Put:       func(name string, content []byte) { r.server.Put(t, bucketName, prefix+"/"+name, content) },
			Chunk:     minPart,
			Kills:     2,
		}
	})
}
