package objectstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
)

// buffer is an io.WriterAt in memory; err fails every write.
type buffer struct {
	mu  sync.Mutex
	p   []byte
	err error
}

func (b *buffer) WriteAt(p []byte, offset int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	return copy(b.p[offset:], p), nil
}

func TestDownload(t *testing.T) {
	r := newRig(t, objectstore.Options{PartSize: 1000, CredentialPatience: 4 * time.Second})
	for _, size := range []int{0, 1, 999, 1000, 1001, 50_000} {
		whole := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		key := fmt.Sprint("k", size)
		r.memory.Put(key, whole)
		etag := r.memory.ETags()[key]
		r.faults.Decide(objecttest.Seeded(1, 0.1, objecttest.Transient()...))
		for _, etag := range []string{etag, strings.Trim(etag, `"`), ""} {
			got := &buffer{p: make([]byte, size)}
			check(t, r.store.Download(t.Context(), key, etag, int64(size), got))
			if !bytes.Equal(got.p, whole) {
				t.Errorf("%d bytes: other content", size)
			}
		}
	}
	if len(r.retries) < 3 {
		t.Errorf("only %v was told", r.retries)
	}
}

// An object that is not the one of the manifest is refused, however the server
// says so.
func TestDownloadOfAnotherObject(t *testing.T) {
	r := newRig(t, objectstore.Options{PartSize: 1000})
	r.memory.Put("k", make([]byte, 5000))
	etag := r.memory.ETags()["k"]
	download := func(etag string, size int64) error {
		return r.store.Download(t.Context(), "k", etag, size, &buffer{p: make([]byte, 10_000)})
	}
	if err := download("another", 5000); !errors.Is(err, objectstore.ErrPrecondition) {
		t.Errorf("another ETag: %v", err)
	}
	if err := download(etag, 5001); pipeline.KindOf(err) != pipeline.KindFatal {
		t.Errorf("another size: %v", err)
	}
	for _, nth := range []int{1, 3} {
		n := 0
		r.faults.Decide(func(*http.Request) objecttest.Fault {
			if n++; n == nth {
				return objecttest.WrongETag
			}
			return objecttest.NoFault
		})
		if err := download(etag, 5000); !errors.Is(err, objectstore.ErrPrecondition) {
			t.Errorf("another ETag in answer %d: %v", nth, err)
		}
	}
}

// A full disk ends a download at once: fetching again would not help.
func TestDownloadToAFullDisk(t *testing.T) {
	r := newRig(t, objectstore.Options{PartSize: 1000})
	r.memory.Put("k", make([]byte, 50_000))
	err := r.store.Download(t.Context(), "k", "", 50_000, &buffer{err: syscall.ENOSPC})
	if pipeline.KindOf(err) != pipeline.KindRetryLater || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if calls, _ := r.faults.Counts(); calls > 10 {
		t.Errorf("%d calls", calls)
	}
}
