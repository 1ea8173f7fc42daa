package binarybucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/binarybucket/listing"
	"github.com/fhirhose/fhirhose/sources/contentstest"
)

// rig is a bucket in memory behind a server that can fail.
type rig struct {
	t      *testing.T
	memory *objecttest.Memory
	faults *objecttest.Faults
	prefix string // of the location
	state  string
}

func newRig(t *testing.T, prefix string) *rig {
	t.Helper()
	r := &rig{t: t, memory: objecttest.NewMemory(), prefix: prefix, state: t.TempDir()}
	r.faults = objecttest.NewFaults(r.memory)
	server := httptest.NewServer(r.faults)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	return r
}

func (r *rig) store() *objectstore.Store {
	r.t.Helper()
	store, err := objectstore.Open(r.t.Context(), objectstore.Location{Bucket: "binaries", Prefix: r.prefix}, objectstore.Options{
		Region: "eu-west-1", PathStyle: true, Attempts: 4, MaxBackoff: time.Millisecond,
		IdleTimeout: 100 * time.Millisecond, CredentialPatience: time.Second,
	}, nil)
	check(r.t, err)
	r.t.Cleanup(store.Close)
	return store
}

func (r *rig) source(prefix string) *Source {
	r.t.Helper()
	s, err := Open(Options{
		Bucket: r.store(), Prefix: prefix, StateDir: r.state,
		Streams: contentstest.Streams, RangeBytes: contentstest.RangeBytes,
	})
	check(r.t, err)
	return s
}

// listed is the source after its listing.
func (r *rig) listed() *Source {
	r.t.Helper()
	s := r.source("")
	check(r.t, s.List(r.t.Context(), func(int64) {}))
	r.t.Cleanup(func() { check(r.t, s.Close()) })
	return s
}

func (r *rig) key(key string) string {
	return objectstore.Location{Prefix: r.prefix}.Key(key)
}

func (r *rig) Open(prefix string) (pipeline.Contents, error) { return r.source(prefix), nil }
func (r *rig) Put(key string, content []byte)                { r.memory.Put(r.key(key), content) }
func (r *rig) Remove(key string)                             { r.memory.Destroy(r.key(key)) }
func (r *rig) Versions() bool                                { return false }
func (r *rig) Forget()                                       { check(r.t, os.RemoveAll(r.state)) }

// keeping is a bucket that keeps versions.
type keeping struct{ *rig }

func (k keeping) Versions() bool { return true }

func TestBucket(t *testing.T) {
	contentstest.Run(t, func(t *testing.T) contentstest.Fixture { return newRig(t, "some/prefix") })
}

func TestVersionedBucket(t *testing.T) {
	contentstest.Run(t, func(t *testing.T) contentstest.Fixture {
		r := newRig(t, "")
		r.memory.KeepVersions()
		return keeping{r}
	})
}

// What a fault breaks is mended without anybody noticing it in the bytes.
func TestBucketSurvivesFaults(t *testing.T) {
	r := newRig(t, "")
	r.memory.KeepVersions()
	want := map[string][]byte{}
	for i := range 250 {
		key := fmt.Sprintf("id-%d_1.x", i)
		want[key] = bytes.Repeat([]byte{byte(i)}, i*67)
		r.memory.Put(key, want[key])
	}
	r.faults.Decide(objecttest.Seeded(11, 0.2, append(objecttest.Transient(), objecttest.Starved)...))
	s := r.listed()
	check(t, s.Each(t.Context(), "", func(number int64, c pipeline.Content) error {
		if number%10 > 0 {
			return nil
		}
		rd, err := s.Open(t.Context(), c, 0)
		check(t, err)
		got, err := io.ReadAll(rd)
		check(t, errors.Join(err, rd.Close()))
		path := filepath.Join(t.TempDir(), "copy")
		check(t, s.Stage(t.Context(), c, path))
		staged, err := os.ReadFile(path)
		check(t, err)
		if !bytes.Equal(got, want[c.Key]) || !bytes.Equal(staged, want[c.Key]) {
			t.Errorf("object %d has other bytes", number)
		}
		return nil
	}))
	if objects, _ := s.Totals(); objects != 250 {
		t.Errorf("%d objects", objects)
	}
	if calls, injected := r.faults.Counts(); len(injected) < 5 {
		t.Errorf("of %d calls only %v failed", calls, injected)
	}
}

// FHIR Works deletes by prefix: deleting abc takes abcd_1.pdf along. What is
// noncurrent is found, of each key the newest that is no delete marker.
func TestErased(t *testing.T) {
	r := newRig(t, "p")
	put := func(key, content string) { r.memory.Put("p/"+key, []byte(content)) }
	put("before_1.pdf", "of the time without versions")
	r.memory.KeepVersions()
	put("abc_1.pdf", "abc")
	put("abcd_1.pdf", "first")
	put("abcd_1.pdf", "second")
	put("abcd_11.pdf", "eleven")
	put("back_1.pdf", "old")
	put("two_1.pdf", "a")
	put("two_1.txt", "b")
	put("two_1.xml", "c")
	put("half_1.pdf", "current")
	put("half_1.txt", "noncurrent")
	put("t/in_1.false", "of a tenant")
	for _, key := range []string{"before_1.pdf", "abcd_1.pdf", "abcd_11.pdf", "back_1.pdf", "two_1.pdf", "two_1.txt", "two_1.xml", "half_1.txt", "t/in_1.false", "never_1.pdf"} {
		r.memory.Delete("p/" + key)
	}
	r.memory.Delete("p/abcd_1.pdf") // twice
	put("back_1.pdf", "new")
	s := r.listed()
	if !s.SeesErased() {
		t.Error("versions are hidden")
	}
	for prefix, want := range map[string]string{
		"before_1.": "of the time without versions", "abcd_1.": "second", "abcd_11.": "eleven", "abc_1.": "", "back_1.": "",
		"two_1.": "a b", "half_1.": "noncurrent", "t/in_1.": "of a tenant", "never_1.": "", "in_1.": "",
	} {
		erased, err := s.Erased(t.Context(), prefix)
		check(t, err)
		var got []string
		for _, c := range erased {
			rd, err := s.Open(t.Context(), c, 0)
			check(t, err)
			content, err := io.ReadAll(rd)
			check(t, errors.Join(err, rd.Close()))
			got = append(got, string(content))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", prefix, got, want)
		}
	}
	if objects, _ := s.Totals(); objects != 3 {
		t.Errorf("%d current objects, want abc_1, back_1 and half_1", objects)
	}
}

// What was current when it was listed is read, whatever is deleted since.
func TestDeletedSince(t *testing.T) {
	r := newRig(t, "")
	r.memory.Put("a_1.x", []byte("before versions"))
	r.memory.KeepVersions()
	r.memory.Put("b_1.x", []byte("a version"))
	s := r.listed()
	for prefix, want := range map[string]string{"a_1.": "before versions", "b_1.": "a version"} {
		found, _, err := s.Find(prefix)
		check(t, err)
		r.memory.Delete(found[0].Key)
		rd, err := s.Open(t.Context(), found[0], 1)
		check(t, err)
		got, err := io.ReadAll(rd)
		check(t, errors.Join(err, rd.Close()))
		if string(got) != want[1:] {
			t.Errorf("%s: got %q", prefix, got)
		}
	}
}

// Without the right to list versions nothing is found, and it can be said why.
func TestErasedHidden(t *testing.T) {
	for _, answer := range []string{"AccessDenied", "NotImplemented"} {
		r := newRig(t, "")
		r.memory.KeepVersions()
		r.memory.Put("a_1.x", []byte("a"))
		r.memory.Put("b_1.x", []byte("b"))
		r.memory.Delete("a_1.x")
		r.memory.Configure("versions", answer)
		for range 2 { // the second process reads it from the listing
			s := r.listed()
			erased, err := s.Erased(t.Context(), "a_1.")
			if objects, _ := s.Totals(); err != nil || len(erased) > 0 || objects != 1 || s.SeesErased() {
				t.Errorf("%s: %d objects, %d erased, %v", answer, objects, len(erased), err)
			}
			found, _, err := s.Find("b_1.")
			if err != nil || len(found) != 1 || found[0].VersionID != "" {
				t.Fatalf("found %+v, %v", found, err)
			}
			r.memory.Put("b_1.x", []byte("c")) // the ETag pins
			if _, err := s.Open(t.Context(), found[0], 0); !errors.Is(err, pipeline.ErrContentChanged) {
				t.Errorf("got %v", err)
			}
			r.memory.Put("b_1.x", []byte("b"))
		}
	}
}

// A bucket without versions has none to look for, and pins by ETag.
func TestUnversioned(t *testing.T) {
	r := newRig(t, "")
	r.memory.Put("a_1.x", []byte("a"))
	s := r.listed()
	found, _, err := s.Find("a_1.")
	if err != nil || len(found) != 1 || found[0].VersionID != "" || found[0].ETag == "" || !s.SeesErased() {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t, "")
	r.memory.Put("secret_1.x", []byte("a"))
	s := r.listed()
	found, _, err := s.Find("secret_1.")
	check(t, err)
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>"+objecttest.ServerText+q.URL.Path+"</Message></Error>")
	}))
	t.Cleanup(denied.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", denied.URL)
	r.state = t.TempDir()
	s = r.source("")
	_, reading := s.Open(t.Context(), found[0], 0)
	for what, err := range map[string]error{
		"list": s.List(t.Context(), func(int64) {}), "look": s.Look(t.Context()), "read": reading, "stage": s.Stage(t.Context(), found[0], filepath.Join(t.TempDir(), "copy")),
	} {
		if pipeline.KindOf(err) != pipeline.KindAuth || !strings.Contains(pipeline.HintOf(err), "s3:") || !strings.Contains(err.Error(), "s3://binaries") {
			t.Errorf("%s: %v (try: %s)", what, err, pipeline.HintOf(err))
		}
		if strings.Contains(fmt.Sprintf("%+v", err), "secret") || strings.Contains(err.Error(), denied.URL) {
			t.Errorf("%s: I10: %v", what, err)
		}
	}
}

// unordered is a service that lists as it likes.
type unordered struct {
	*objectstore.Store
	keys []string
}

func (u unordered) ListVersions(_ context.Context, _ string, f func(objectstore.Listed) error) error {
	for _, key := range u.keys {
		if err := f(objectstore.Listed{Key: key, Latest: true}); err != nil {
			return err
		}
	}
	return nil
}

func TestUnordered(t *testing.T) {
	r := newRig(t, "")
	s, err := Open(Options{Bucket: unordered{r.store(), []string{"b", "a", "c"}}, StateDir: r.state})
	check(t, err)
	check(t, s.List(t.Context(), func(int64) {}))
	var keys []string
	check(t, s.Each(t.Context(), "", func(_ int64, c pipeline.Content) error {
		keys = append(keys, c.Key)
		return nil
	}))
	check(t, s.Close())
	if strings.Join(keys, "") != "abc" {
		t.Errorf("got %v", keys)
	}
	r.state = t.TempDir()
	s, err = Open(Options{Bucket: unordered{r.store(), []string{"secret-b", "secret-a", "secret-b"}}, StateDir: r.state})
	check(t, err)
	err = s.List(t.Context(), func(int64) {})
	if pipeline.KindOf(err) != pipeline.KindRetryLater || !errors.Is(err, listing.ErrTwice) || strings.Contains(fmt.Sprintf("%+v", err), "secret") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(r.state, "in")); err != nil || len(left) > 1 { // that of the erased is whole
		t.Errorf("left %v, %v", left, err)
	}
}

// A damaged listing is refused, and says how to go on.
func TestDamagedListing(t *testing.T) {
	r := newRig(t, "")
	r.memory.Put("secret_1.x", []byte("a"))
	r.listed()
	for _, name := range []string{"binaries.index", "binaries-erased.index"} {
		path := filepath.Join(r.state, "in", name)
		whole, err := os.ReadFile(path)
		check(t, err)
		spoilt := map[string][]byte{"cut": whole[:len(whole)-1], "flipped": bytes.Clone(whole), "empty": nil}
		spoilt["flipped"][20] ^= 1
		for what, p := range spoilt {
			check(t, os.WriteFile(path, p, 0o600))
			err := r.source("").List(t.Context(), func(int64) {})
			if pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		check(t, os.WriteFile(path, whole, 0o600))
	}
	check(t, os.Remove(filepath.Join(r.state, "in", "binaries-erased.index")))
	if err := r.source("").List(t.Context(), func(int64) {}); pipeline.KindOf(err) != pipeline.KindCheckpoint {
		t.Errorf("one of two: %v", err)
	}
}

func TestManyObjects(t *testing.T) {
	r := newRig(t, "")
	for i := range manyObjects {
		r.memory.Put(fmt.Sprintf("%08x-0000-4000-8000-000000000000_1.jpeg", i*2654435761%(1<<32)), nil)
	}
	s := r.listed()
	if objects, _ := s.Totals(); objects != manyObjects {
		t.Errorf("%d objects", objects)
	}
	next := int64(0)
	check(t, s.Each(t.Context(), "", func(number int64, c pipeline.Content) error {
		if number != next {
			t.Errorf("number %d, want %d", number, next)
		}
		next++
		if number%997 > 0 {
			return nil
		}
		found, first, err := s.Find(strings.TrimSuffix(c.Key, "jpeg"))
		if err != nil || len(found) != 1 || found[0] != c || first != number {
			t.Errorf("object %d is not found", number)
		}
		return err
	}))
	if next != manyObjects {
		t.Errorf("%d objects seen", next)
	}
}
