package binaries

import (
	"maps"
	"os"
	"path/filepath"
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
	j.mustRun()
	if got, want := j.tree(), want.tree(); !maps.Equal(got, want) {
		t.Error("another output")
	}
	p := &Pipeline{spool: newSpool(filepath.Join(j.dir, "state", name), 0)}
	if left, err := os.ReadDir(p.spool.dir); err != nil || len(left) != 1 {
		t.Errorf("left in the spool: %v %v", left, err)
	}
}
