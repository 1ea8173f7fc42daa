package binaries

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/binarybucket"
)

// TestDirectory: contents of a real directory come out as those of the bucket in
// memory; killed within a large one, the job goes on there.
func TestDirectory(t *testing.T) {
	want := killable(t)
	want.options.CutEvery = 1
	want.mustRun()
	j := killable(t)
	root := t.TempDir()
	for key, o := range j.bucket.objects {
		path := filepath.Join(root, key)
		if err := os.WriteFile(path, o.body, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, o.modified, o.modified); err != nil {
			t.Fatal(err)
		}
	}
	open := func() pipeline.Contents {
		s, err := binarybucket.Open(binarybucket.Options{Location: root, StateDir: filepath.Join(j.dir, "state")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		if err := s.List(t.Context(), func(int64) {}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for range 3 {
		j.contents = open()
		k := &process{point: "chunk", n: 5}
		if err := k.run(j); err == nil {
			t.Fatal("the process was not killed")
		}
	}
	j.contents = open()
	last, _ := j.mustRun()
	if got, want := j.tree(), want.tree(); !maps.Equal(got, want) {
		t.Error("another output")
	}
	if left, err := os.ReadDir(last.spool.dir); err != nil || len(left) != 1 {
		t.Errorf("left in the spool: %v %v", left, err)
	}
	if err := RemoveState(last.options.State); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(last.spool.dir); !os.IsNotExist(err) {
		t.Error("something of a finished job is left in state")
	}
}

// TestDamagedState: what is missing in `state` is said, and nothing is guessed.
func TestDamagedState(t *testing.T) {
	f := func(what string, damage func(dir string) error) {
		t.Run(what, func(t *testing.T) {
			j := killable(t)
			k := &process{point: "chunk", n: 5}
			if err := k.run(j); err == nil {
				t.Fatal("the process was not killed")
			}
			if err := damage(filepath.Join(j.dir, "state", Name)); err != nil {
				t.Fatal(err)
			}
			j.started = nil
			_, _, err := j.run(nil)
			if pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
				t.Fatal(err)
			}
			if tree := j.tree(); tree[OrphansName] != "" {
				t.Error("the job ended")
			}
		})
	}
	f("no list of named contents", func(dir string) error { return os.Remove(filepath.Join(dir, "named")) })
	f("a shorter list", func(dir string) error { return os.Truncate(filepath.Join(dir, "named"), namedBytes) })
	f("no staged content", func(dir string) error { return os.Remove(filepath.Join(dir, "content-12")) })
	f("a shorter content", func(dir string) error { return os.Truncate(filepath.Join(dir, "content-12"), 40_000) })
}

// TestSweep: what earlier processes left of rows that are committed goes, with
// what a copy has beside it; what was copied ahead stays.
func TestSweep(t *testing.T) {
	s := newSpool(t.TempDir(), 0)
	for _, file := range []string{"named", "content-9", "content-9.part", "content-9.progress", "content-10", "content-11.part"} {
		if err := os.WriteFile(filepath.Join(s.dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.sweep(10); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, _ := os.ReadDir(s.dir)
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if want := []string{"content-10", "content-11.part", "named"}; !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
}
