package bucket_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/bucket"
	"github.com/fhirhose/fhirhose/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const partSize = 4096

func TestConformance(t *testing.T) {
	everyHot(t, func(t *testing.T, hot int) {
		sinktest.Run(t, func(t *testing.T) sinktest.Place { return newHotRig(t, hot).place() })
	})
}

// rig is a bucket in memory behind a server that can fail, and a job in it.
type rig struct {
	t       *testing.T
	memory  *objecttest.Memory
	faults  *objecttest.Faults
	store   *objectstore.Store
	tails   string
	options bucket.Options
}

const prefix = "exports/job"

func newRig(t *testing.T) *rig { return newHotRig(t, 0) }

// everyHot runs a test with all parts in tails, with some, and with none.
func everyHot(t *testing.T, test func(t *testing.T, hot int)) {
	for _, hot := range []int{0, 1, 50} {
		t.Run(fmt.Sprintf("hot=%d", hot), func(t *testing.T) { test(t, hot) })
	}
}

func newHotRig(t *testing.T, hot int) *rig {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	r := &rig{t: t, memory: objecttest.NewMemory(), tails: filepath.Join(t.TempDir(), "tails")}
	r.faults = objecttest.NewFaults(r.memory)
	server := httptest.NewServer(r.faults)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "b", Prefix: prefix}, objectstore.Options{
		Region: "us-east-1", PathStyle: true, MaxBackoff: time.Millisecond, IdleTimeout: 5 * time.Second,
	}, nil)
	check(t, err)
	t.Cleanup(store.Close)
	r.store = store
	r.options = bucket.Options{Store: store, Tails: r.tails, PartSize: partSize, Transfers: 4, Hot: hot}
	return r
}

func (r *rig) open() (sink *bucket.Sink, kill func()) {
	ctx, cancel := context.WithCancel(context.Background())
	sink, err := bucket.Open(ctx, r.options)
	check(r.t, err)
	return sink, func() { cancel(); sink.Close() }
}

func (r *rig) place() sinktest.Place {
	return sinktest.Place{
		Open:      func() (pipeline.Sink, func()) { return r.open() },
		Visible:   r.visible,
		Leftovers: r.leftovers,
		Put:       func(name string, content []byte) { r.memory.Put(prefix+"/"+name, content) },
		Chunk:     partSize,
		Kills:     3,
	}
}

func (r *rig) visible(under string) map[string][]byte {
	visible := map[string][]byte{}
	for key, content := range r.memory.Objects() {
		if name := strings.TrimPrefix(key, prefix+"/"); strings.HasPrefix(name, under) {
			visible[name] = content
		}
	}
	return visible
}

func (r *rig) leftovers() (left []string) {
	for _, key := range r.memory.Uploads() {
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
