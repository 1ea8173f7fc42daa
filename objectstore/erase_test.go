package objectstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
)

// erase erases what begins with p/ours, and returns what S3 kept.
func erase(t *testing.T, s *objectstore.Store, versions bool, chunk int) (kept []objectstore.Kept) {
	t.Helper()
	err := s.EraseAll(t.Context(), objectstore.Erase{
		Prefix: "p/", Versions: versions, Chunk: chunk,
		Wanted: func(l objectstore.Listed) bool { return strings.HasPrefix(l.Key, "p/ours") },
		Kept:   func(k objectstore.Kept) { kept = append(kept, k) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// fill puts objects of ours and of others, by turns.
func fill(m *objecttest.Memory, n int) {
	for i := range n {
		m.Put(fmt.Sprintf("p/ours-%04d", i), []byte("ours"))
		m.Put(fmt.Sprintf("p/ours%04d", i), []byte("ours too"))
		m.Put(fmt.Sprintf("p/theirs-%04d", i), []byte("theirs"))
	}
}

// TestEraseAll: of a bucket with versions nothing of ours remains, hidden or not,
// whatever the size of a chunk; what is another's is not touched.
func TestEraseAll(t *testing.T) {
	for _, chunk := range []int{1, 7, 1000, 0} {
		for _, keeps := range []bool{false, true} {
			m, s := look(t)
			if keeps {
				m.KeepVersions()
			}
			fill(m, 150)
			fill(m, 120) // a second version of most
			for i := range 30 {
				m.Delete(fmt.Sprintf("p/ours-%04d", i)) // a marker
			}
			if kept := erase(t, s, keeps, chunk); len(kept) > 0 {
				t.Errorf("kept %v", kept)
			}
			left := m.Objects()
			if len(left) != 150 || keeps && m.Versions("") != 270 {
				t.Errorf("chunk %d: %d objects and %d versions are left", chunk, len(left), m.Versions(""))
			}
			for key := range left {
				if !strings.HasPrefix(key, "p/theirs") {
					t.Errorf("%s is left", key)
				}
			}
			erase(t, s, keeps, chunk) // there is nothing
		}
	}
}

// TestEraseWithoutVersions hides what a bucket with versions keeps.
func TestEraseWithoutVersions(t *testing.T) {
	m, s := look(t)
	m.KeepVersions()
	fill(m, 5)
	erase(t, s, false, 3)
	if n := m.Versions(""); n != 25 || len(m.Objects()) != 5 { // 15, and a marker for each of ours
		t.Errorf("%d versions, %d objects", n, len(m.Objects()))
	}
}

// TestEraseKept: what is locked is told, with its end; what fails for a while is
// tried again.
func TestEraseKept(t *testing.T) {
	m, s := look(t)
	m.KeepVersions()
	fill(m, 3)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	m.Lock("p/ours-0001", until)
	m.KeepErasing("InternalError", 4)
	kept := erase(t, s, true, 0)
	if len(kept) != 1 || kept[0].Key != "p/ours-0001" || kept[0].Code != "AccessDenied" || m.Versions("") != 4 {
		t.Fatalf("%v; %d versions", kept, m.Versions(""))
	}
	held, err := s.Held(t.Context(), kept[0].Key, kept[0].VersionID)
	if err != nil || held != (objectstore.Hold{Mode: "COMPLIANCE", Until: until}) {
		t.Errorf("%+v, %v", held, err)
	}
	if held, err := s.Held(t.Context(), "p/theirs-0001", "x"); err != nil || held != (objectstore.Hold{}) {
		t.Errorf("%+v, %v", held, err)
	}
	m.KeepErasing("InternalError", 1000)
	if kept := erase(t, s, true, 0); len(kept) != 1 || kept[0].Code != "InternalError" {
		t.Errorf("%v", kept)
	}
}

// TestListEverything: versions and markers, key by key.
func TestListEverything(t *testing.T) {
	m, s := look(t)
	m.KeepVersions()
	m.Put("p/a", []byte("1"))
	m.Put("p/b", []byte("22"))
	m.Delete("p/a")
	m.Put("p/a", []byte("333"))
	m.Delete("p/b")
	var got []string
	list := func(l objectstore.Listed) error {
		got = append(got, fmt.Sprint(l.Key, l.Size, l.Marker, l.Latest))
		return nil
	}
	if err := s.ListEverything(t.Context(), "p/", "", list); err != nil {
		t.Fatal(err)
	}
	want := []string{"p/a3 false true", "p/a1 false false", "p/a0 true false", "p/b2 false false", "p/b0 true true"}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	got = nil
	if err := s.ListEverything(t.Context(), "p/", "p/a", list); err != nil || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
}
