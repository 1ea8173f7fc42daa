package folder_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/folder"
	"github.com/fhirhose/fhirhose/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Place { return place(t, filepath.Join(t.TempDir(), "sink", "job")) })
}

// A job with the name other has a tenant called job: its files lie below this
// job's folder, and are none of its business.
func TestSweepLeavesOtherJobsAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sink", "job")
	p, sink := place(t, dir), open(t, dir)
	check(t, sink.Claim(t.Context(), []byte("{}\n")))
	for _, name := range []string{"v1-0/.ours.ndjson.partial", "other/v1-0/.theirs.ndjson.partial", "other/_fhirhose/.claim.json.X.partial"} {
		p.Put(name, []byte("x"))
	}
	check(t, sink.Sweep(t.Context(), nil))
	if left := p.Leftovers(); len(left) != 2 || strings.Contains(strings.Join(left, " "), "ours") {
		t.Errorf("left %v", left)
	}
}

func place(t *testing.T, dir string) sinktest.Place {
	return sinktest.Place{
		Open: func() (pipeline.Sink, func()) { return open(t, dir), func() {} },
		Visible: func(prefix string) map[string][]byte {
			visible := list(t, dir, func(base string) bool { return !strings.HasPrefix(base, ".") })
			maps.DeleteFunc(visible, func(name string, _ []byte) bool { return !strings.HasPrefix(name, prefix) })
			return visible
		},
		Leftovers: func() (left []string) {
			for name := range list(t, dir, func(base string) bool { return strings.HasPrefix(base, ".") }) {
				left = append(left, name)
			}
			return left
		},
		Put: func(name string, content []byte) {
			path := filepath.Join(dir, name)
			check(t, os.MkdirAll(filepath.Dir(path), 0o700))
			check(t, os.WriteFile(path, content, 0o600))
		},
		Chunk: 4096,
	}
}

func open(t *testing.T, dir string) *folder.Sink {
	t.Helper()
	sink, err := folder.Open(folder.Options{Dir: dir})
	check(t, err)
	return sink
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list returns the files below dir whose base name is wanted, and refuses modes
// that would show PHI to others.
func list(t *testing.T, dir string, wanted func(base string) bool) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if entry.IsDir() || !wanted(entry.Name()) {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	check(t, err)
	return found
}
