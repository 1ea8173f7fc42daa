package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
)

// readRange reads a range of an object in full.
func readRange(ctx context.Context, s *objectstore.Store, key string, pin objectstore.Pin, offset, n int64) ([]byte, error) {
	r, err := s.OpenRange(ctx, key, pin, offset, n)
	if err != nil {
		return nil, err
	}
	p, err := io.ReadAll(r)
	return p, errors.Join(err, r.Close())
}

func TestOpenRangeSurvivesFaults(t *testing.T) {
	r := newRig(t, objectstore.Options{PartSize: 1000, IdleTimeout: 50 * time.Millisecond, CredentialPatience: time.Second})
	whole := bytes.Repeat([]byte("0123456789"), 5000)
	r.memory.Put("k", whole)
	r.memory.Put("empty", nil)
	pin := objectstore.Pin{ETag: r.memory.ETags()["k"], Size: int64(len(whole))}
	faults := append(objecttest.Transient(), objecttest.Starved, objecttest.Truncated, objecttest.Truncated)
	r.faults.Decide(objecttest.Seeded(3, 0.4, faults...))
	for i := range 30 {
		part := [][2]int{{0, 50_000}, {1, 49_999}, {0, 1}, {49_999, 1}, {777, 20_000}}[i%5]
		got, err := readRange(t.Context(), r.store, "k", pin, int64(part[0]), int64(part[1]))
		if err != nil || !bytes.Equal(got, whole[part[0]:part[0]+part[1]]) {
			t.Errorf("%v: %d bytes, %v", part, len(got), err)
		}
	}
	got, err := readRange(t.Context(), r.store, "empty", objectstore.Pin{ETag: r.memory.ETags()["empty"]}, 0, 0)
	if err != nil || len(got) > 0 {
		t.Errorf("empty: %d bytes, %v", len(got), err)
	}
	if _, injected := r.faults.Counts(); injected[objecttest.Truncated] < 3 {
		t.Errorf("only %v", injected)
	}
}

// A body that breaks is continued where it broke, and given up after a bounded
// number of times.
func TestOpenRangeGoesOnWhereItWas(t *testing.T) {
	for _, fault := range []objecttest.Fault{objecttest.Truncated, objecttest.Starved} {
		r := newRig(t, objectstore.Options{Attempts: 4, IdleTimeout: 50 * time.Millisecond})
		whole := bytes.Repeat([]byte("0123456789"), 80)
		r.memory.Put("k", whole)
		pin := objectstore.Pin{ETag: r.memory.ETags()["k"], Size: 800}
		var asked []string
		broken := 3
		r.faults.Decide(func(q *http.Request) objecttest.Fault {
			asked = append(asked, q.Header.Get("Range"))
			if len(asked) <= broken {
				return fault
			}
			return objecttest.NoFault
		})
		got, err := readRange(t.Context(), r.store, "k", pin, 0, 800)
		want := "[ bytes=400-799 bytes=600-799 bytes=700-799]"
		if err != nil || !bytes.Equal(got, whole) || fmt.Sprint(asked) != want {
			t.Errorf("%s: asked for %v, want %s: %v", fault, asked, want, err)
		}
		asked, broken = nil, 1000
		_, err = readRange(t.Context(), r.store, "secret-key", pin, 0, 800)
		if !errors.Is(err, objectstore.ErrNotFound) && pipeline.KindOf(err) != pipeline.KindRetryLater {
			t.Errorf("%s: %v", fault, err)
		}
		asked = nil
		got, err = readRange(t.Context(), r.store, "k", pin, 0, 800)
		if pipeline.KindOf(err) != pipeline.KindRetryLater || len(asked) != 4 || len(got) >= 800 {
			t.Errorf("%s for ever: %d bytes after %d requests, %v", fault, len(got), len(asked), err)
		}
	}
}

// answering is a store of a server that always gives one answer.
func answering(t *testing.T, f http.HandlerFunc) *objectstore.Store {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	s, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "b"}, objectstore.Options{
		Region: "eu-west-1", PathStyle: true, Attempts: 2, MaxBackoff: time.Millisecond,
	}, nil)
	check(t, err)
	t.Cleanup(s.Close)
	return s
}

// Answers that are not about the pinned object are refused before a byte is used.
func TestOpenRangeOfAnotherObject(t *testing.T) {
	pin := objectstore.Pin{ETag: `"e"`, VersionID: "v", Size: 10}
	for what, answer := range map[string]func(w http.ResponseWriter){
		"another ETag": func(w http.ResponseWriter) {
			w.Header().Set("ETag", `"other"`)
			w.Header().Set("Content-Range", "bytes 2-5/10")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "2345")
		},
		"another size": func(w http.ResponseWriter) {
			w.Header().Set("ETag", `"e"`)
			w.Header().Set("Content-Range", "bytes 2-5/11")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "2345")
		},
		"the range is ignored": func(w http.ResponseWriter) {
			w.Header().Set("ETag", `"e"`)
			_, _ = io.WriteString(w, "0123456789")
		},
		"the range is ignored, and cut": func(w http.ResponseWriter) {
			w.Header().Set("ETag", `"e"`)
			_, _ = io.WriteString(w, "0123")
		},
		"a shorter range": func(w http.ResponseWriter) {
			w.Header().Set("ETag", `"e"`)
			w.Header().Set("Content-Range", "bytes 2-4/10")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "234")
		},
	} {
		s := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-Match") != `"e"` || r.URL.Query().Get("versionId") != "v" {
				t.Errorf("the request is not pinned: %v %s", r.Header, r.URL.RawQuery)
			}
			answer(w)
		})
		got, err := readRange(t.Context(), s, "secret-key", pin, 2, 4)
		if !errors.Is(err, objectstore.ErrPrecondition) || len(got) > 0 || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

// A whole object is not shorter or longer than it was listed.
func TestOpenRangeOfAnotherLength(t *testing.T) {
	for _, size := range []int64{0, 7, 9, 800} {
		s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"e"`)
			_, _ = io.WriteString(w, "eight of")
		})
		got, err := readRange(t.Context(), s, "secret-key", objectstore.Pin{ETag: `"e"`, Size: size}, 0, size)
		if !errors.Is(err, objectstore.ErrPrecondition) || len(got) > 0 {
			t.Errorf("%d bytes: %q, %v", size, got, err)
		}
	}
}

// The checksum of a whole object is compared at its end: no io.EOF after bytes
// that were damaged on the way.
func TestOpenRangeComparesTheChecksum(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("X-Amz-Checksum-Crc32", "AAAAAA==")
		_, _ = io.WriteString(w, "damaged!")
	})
	_, err := readRange(t.Context(), s, "secret-key", objectstore.Pin{ETag: `"e"`, Size: 8}, 0, 8)
	if pipeline.KindOf(err) != pipeline.KindRetryLater || !strings.Contains(err.Error(), "damaged") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// Errors of the calls whose keys hold ids name the location alone (I10).
func TestKeysStayHidden(t *testing.T) {
	r := newRig(t, objectstore.Options{Attempts: 2, CredentialPatience: time.Millisecond, IdleTimeout: 50 * time.Millisecond})
	r.memory.Put("secret-key", []byte("0123456789"))
	pin := objectstore.Pin{ETag: r.memory.ETags()["secret-key"], Size: 10}
	listed := func(objectstore.Listed) error { return nil }
	for _, fault := range append(objecttest.Transient(), objecttest.Starved, objecttest.Stall) {
		if fault == objecttest.ErrorIn200 {
			continue // only where parts are put together
		}
		r.faults.Decide(func(*http.Request) objecttest.Fault { return fault })
		_, reading := readRange(t.Context(), r.store, "secret-key", pin, 0, 10)
		for what, err := range map[string]error{
			"read": reading,
			"list": r.store.ListObjects(t.Context(), "secret-", listed), "list versions": r.store.ListVersions(t.Context(), "secret-", listed),
		} {
			if err == nil {
				t.Errorf("%s with %s: no error", what, fault)
				continue
			}
			text := fmt.Sprintf("%v %+v", err, err)
			if strings.Contains(text, "secret-") || strings.Contains(text, "127.0.0.1") {
				t.Errorf("%s with %s: %s", what, fault, text)
			}
		}
	}
}

func TestLists(t *testing.T) {
	r := newRig(t, objectstore.Options{CredentialPatience: time.Second})
	for i := range 250 {
		r.memory.Put(fmt.Sprintf("p/%03d", i), make([]byte, i))
	}
	odd := []string{"p/a b+c%20&<>\x01\u00e9", "p/z//"}
	for _, key := range odd {
		r.memory.Put(key, nil)
	}
	r.memory.Put("o", nil)
	r.memory.Put("q", nil)
	r.memory.KeepVersions()
	for range 130 { // more versions than a page holds
		r.memory.Put("p/100", []byte("new"))
		r.memory.Delete("p/101")
		r.memory.Put("p/102", []byte("new"))
		r.memory.Delete("p/102")
	}
	r.faults.Decide(objecttest.Seeded(5, 0.2, objecttest.Transient()...))
	var current, deleted []objectstore.Listed
	check(t, r.store.ListObjects(t.Context(), "p/", func(o objectstore.Listed) error {
		current = append(current, o)
		return nil
	}))
	if len(current) != 250 || current[0].Key != "p/000" || current[249].Key != odd[1] || current[248].Key != odd[0] || current[99].Size != 99 {
		t.Errorf("%d objects: %+v", len(current), current[240:])
	}
	byVersion := map[string]objectstore.Listed{}
	last := ""
	check(t, r.store.ListVersions(t.Context(), "p/", func(o objectstore.Listed) error {
		if o.Key < last || byVersion[o.Key+o.VersionID].Key != "" {
			t.Errorf("%q again, or out of order", o.Key)
		}
		byVersion[o.Key+o.VersionID] = o
		if o.Key != last && !o.Latest {
			deleted = append(deleted, o)
		}
		last = o.Key
		return nil
	}))
	latest := map[string]objectstore.Listed{}
	for _, v := range byVersion {
		if v.Latest {
			latest[v.Key] = v
		}
	}
	for _, c := range current {
		v := latest[c.Key]
		if v.VersionID == "" {
			t.Errorf("%q is no version", c.Key)
		}
		if v.VersionID = ""; v != c {
			t.Errorf("listed with versions as %+v, else %+v", v, c)
		}
	}
	if len(latest) != len(current) {
		t.Errorf("%d latest versions of %d objects", len(latest), len(current))
	}
	if len(byVersion) != 252+130+130 {
		t.Errorf("%d versions", len(byVersion))
	}
	if len(deleted) != 2 || deleted[0].Key != "p/101" || deleted[0].Size != 101 || deleted[0].VersionID != "null" ||
		deleted[1].Key != "p/102" || deleted[1].Size != 3 || deleted[1].ETag == "" {
		t.Errorf("deleted: %+v", deleted)
	}
}
