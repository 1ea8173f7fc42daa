package s3test_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sinks/bucket"
)

func random(seed uint64, n int) []byte {
	p := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = source.Read(p)
	return p
}

// jobFiles are the files of a small job: PUTs, and uploads of one to four parts.
func jobFiles() map[string][]byte {
	files := map[string][]byte{}
	for i := range 40 {
		files[fmt.Sprintf("v1-0/Type%d-v1-00000.ndjson", i)] = random(uint64(i), 1000+i*977)
	}
	for i, size := range []int{minPart, minPart + 1, 2 * minPart, 3*minPart + 12345} {
		files[fmt.Sprintf("v2-0/Type%d-v2-00000.ndjson", i)] = random(uint64(100+i), size)
	}
	return files
}

// writeJob writes all files at the same time, with a mark in the middle of each.
func writeJob(t *testing.T, sink *bucket.Sink, files map[string][]byte) error {
	if err := sink.Claim(t.Context(), []byte(`{"run":"x"}`)); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for name, whole := range files {
		group.Go(func() error {
			f := sink.Create(name)
			half := len(whole) / 2
			if err := f.Append(ctx, whole[:half]); err != nil {
				return err
			}
			durable := f.Mark()
			if err := f.Append(ctx, whole[half:]); err != nil {
				return err
			}
			if _, err := durable(ctx); err != nil {
				return err
			}
			return f.Seal(ctx, sha256.Sum256(whole))
		})
	}
	return errors.Join(group.Wait(), sink.Settle(t.Context()))
}

// At 20 % failing calls the bucket is what it is without any: keys, bytes and
// ETags. The calls are bounded, and no upload is left.
func TestJobUnderFaults(t *testing.T) {
	files := jobFiles()
	calm, _ := runJob(t, files, nil)
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			stormy, server := runJob(t, files, objecttest.Seeded(seed, 0.2, objecttest.Transient()...))
			same(t, stormy, calm)
			calls, injected := server.Faults.Counts()
			failed := 0
			for _, n := range injected {
				failed += n
			}
			t.Logf("%d calls, failed: %v", calls, injected)
			if failed*10 < calls {
				t.Errorf("only %d of %d calls failed", failed, calls)
			}
			// Each file needs two calls or some more; each failure costs one
			// more, or a look and a comparison.
			if limit := 2*len(files) + 40 + 3*failed; calls > limit {
				t.Errorf("%d calls, more than %d", calls, limit)
			}
		})
	}
}

func runJob(t *testing.T, files map[string][]byte, decide func(*http.Request) objecttest.Fault) (map[string]s3test.Object, *s3test.Server) {
	t.Helper()
	r := newRig(t)
	r.server.Faults.Decide(decide)
	sink, stop := r.open()
	defer stop()
	check(t, writeJob(t, sink, files))
	r.server.Faults.Decide(nil)
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	for name, whole := range files {
		if !bytes.Equal(r.visible(name)[name], whole) {
			t.Errorf("%s has other bytes", name)
		}
	}
	return r.server.Objects(t, bucketName, prefix), r.server
}

func same(t *testing.T, got, want map[string]s3test.Object) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d objects, want %d", len(got), len(want))
	}
	for key, o := range want {
		if got[key].ETag != o.ETag || !bytes.Equal(got[key].Content, o.Content) {
			t.Errorf("%s differs: %d bytes %s, want %d bytes %s", key, len(got[key].Content), got[key].ETag, len(o.Content), o.ETag)
		}
	}
}

// Each call that matters fails once, in each way.
func TestEachCallFailsOnce(t *testing.T) {
	r := newRig(t)
	sink, stop := r.open()
	defer stop()
	check(t, sink.Claim(t.Context(), []byte("{}")))
	small, large := random(1, 1000), random(2, minPart+1000)
	for _, call := range []string{http.MethodPut, "CREATE", "PART", "COMPLETE"} {
		for _, fault := range append(objecttest.Transient(), objecttest.FlippedBit) {
			body := call == http.MethodPut || call == "PART"
			if fault == objecttest.ErrorIn200 && call != "COMPLETE" || fault == objecttest.FlippedBit && !body {
				continue
			}
			t.Run(fmt.Sprint(call, " ", fault), func(t *testing.T) {
				hit := false
				once := objecttest.Once(fault, func(q *http.Request) bool { return objecttest.Call(q) == call })
				r.server.Faults.Decide(func(q *http.Request) objecttest.Fault {
					f := once(q)
					hit = hit || f != objecttest.NoFault
					return f
				})
				whole := large
				if call == http.MethodPut {
					whole = small
				}
				name := fmt.Sprintf("v1-0/%s-%s.ndjson", call, fault)
				f := sink.Create(name)
				check(t, f.Append(t.Context(), whole))
				check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
				r.server.Faults.Decide(nil)
				if !hit {
					t.Error("the call was not made")
				}
				if !bytes.Equal(r.visible(name)[name], whole) {
					t.Error("other bytes")
				}
				if left := r.leftovers(); len(left) > 0 {
					t.Errorf("left over: %q", left)
				}
			})
		}
	}
}

// An ETag that was changed on the way makes S3 refuse the upload: nothing wrong
// becomes visible.
func TestChangedETagIsRefused(t *testing.T) {
	r := newRig(t)
	sink, stop := r.open()
	defer stop()
	check(t, sink.Claim(t.Context(), []byte("{}")))
	r.server.Faults.Decide(objecttest.Once(objecttest.WrongETag, func(q *http.Request) bool { return objecttest.Call(q) == "PART" }))
	whole := random(1, minPart+1000)
	f := sink.Create("v1-0/a.ndjson")
	check(t, f.Append(t.Context(), whole))
	err := f.Seal(t.Context(), sha256.Sum256(whole))
	if pipeline.KindOf(err) != pipeline.KindFatal {
		t.Errorf("want a fatal error, got %v", err)
	}
	if n := len(r.visible("v1-0/")); n > 0 {
		t.Errorf("%d files are visible", n)
	}
}

// buffer is an io.WriterAt in memory.
type buffer struct {
	mu sync.Mutex
	p  []byte
}

func (b *buffer) WriteAt(p []byte, offset int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return copy(b.p[offset:], p), nil
}

func TestDownloadUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	server.MakeBucket(t, bucketName)
	whole := random(1, 30<<20+17)
	server.Put(t, bucketName, "in/data.json.gz", whole)
	var mu sync.Mutex
	retries := map[objectstore.Cause]int{}
	store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: bucketName}, objectstore.Options{
		PathStyle: true, MaxBackoff: 20 * time.Millisecond, IdleTimeout: time.Second,
		CredentialPatience: 8 * time.Second, PartSize: 1 << 20,
	}, func(cause objectstore.Cause, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		retries[cause]++
	})
	check(t, err)
	t.Cleanup(store.Close)
	info, err := store.Head(t.Context(), "in/data.json.gz")
	check(t, err)

	for seed := range uint64(3) {
		faults := append(objecttest.Transient(), objecttest.Stall)
		server.Faults.Decide(objecttest.Seeded(seed, 0.25, faults...))
		before, _ := server.Faults.Counts()
		got := &buffer{p: make([]byte, len(whole))}
		check(t, store.Download(t.Context(), "in/data.json.gz", info.ETag, info.Size, got))
		if !bytes.Equal(got.p, whole) {
			t.Errorf("seed %d: other bytes", seed)
		}
		after, injected := server.Faults.Counts()
		t.Logf("seed %d: %d calls for 31 ranges, failed so far: %v", seed, after-before, injected)
		if after-before > 3*31 {
			t.Errorf("seed %d: %d calls for 31 ranges", seed, after-before)
		}
	}
	for _, cause := range []objectstore.Cause{objectstore.Throttle, objectstore.Timeout, objectstore.Reset, objectstore.ServerError, objectstore.ExpiredToken} {
		if retries[cause] == 0 {
			t.Errorf("no retry by %s was told", cause)
		}
	}
	server.Faults.Decide(nil)
	err = store.Download(t.Context(), "in/data.json.gz", "af83d6f217c19b8b0fff8023d8ca4716-1", info.Size, &buffer{p: make([]byte, len(whole))})
	if !errors.Is(err, objectstore.ErrPrecondition) || pipeline.KindOf(err) != pipeline.KindFatal {
		t.Errorf("another ETag: want a fatal precondition, got %v", err)
	}
}
