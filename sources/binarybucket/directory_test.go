package binarybucket

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/contentstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (try: %s)", err, pipeline.HintOf(err))
	}
}

// copied is a copy of a bucket in a directory.
type copied struct {
	t           *testing.T
	root, state string
}

func newCopied(t *testing.T) *copied { return &copied{t, t.TempDir(), t.TempDir()} }

func (d *copied) Open(prefix string) (pipeline.Contents, error) {
	return Open(Options{
		Location: d.root, Prefix: prefix, StateDir: d.state,
		Streams: contentstest.Streams, RangeBytes: contentstest.RangeBytes,
	})
}

func (d *copied) Put(key string, content []byte) {
	d.t.Helper()
	path := filepath.Join(d.root, key)
	check(d.t, os.MkdirAll(filepath.Dir(path), 0o700))
	check(d.t, os.WriteFile(path+".new", content, 0o600))
	check(d.t, os.Rename(path+".new", path))
}

func (d *copied) Remove(key string) {
	d.t.Helper()
	check(d.t, os.RemoveAll(filepath.Join(d.root, key)))
}

func (d *copied) Versions() bool { return false }

func (d *copied) Forget() {
	d.t.Helper()
	check(d.t, os.RemoveAll(d.state))
}

func TestDirectory(t *testing.T) {
	contentstest.Run(t, func(t *testing.T) contentstest.Fixture { return newCopied(t) })
}

func listDirectory(t *testing.T, d *copied) (*Source, error) {
	t.Helper()
	s, err := Open(Options{Location: d.root, StateDir: d.state})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s, s.List(t.Context(), func(int64) {})
}

// A location that is none is refused: an empty listing would say that every
// content is missing.
func TestLocationIsNone(t *testing.T) {
	d := newCopied(t)
	check(t, os.WriteFile(filepath.Join(d.root, "file"), nil, 0o600))
	for _, root := range []string{filepath.Join(d.root, "absent"), filepath.Join(d.root, "file")} {
		_, err := listDirectory(t, &copied{t, root, d.state})
		if pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" || !strings.Contains(err.Error(), root) {
			t.Errorf("got %v", err)
		}
	}
	for what, o := range map[string]Options{
		"no slash": {Location: d.root, Prefix: "t"}, "outside": {Location: d.root, Prefix: "../"}, "absolute": {Location: d.root, Prefix: "/"},
		"not opened": {Location: "s3://bucket"},
	} {
		if _, err := Open(o); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// What is neither file nor folder is no content, and is not passed over (I5).
func TestLinks(t *testing.T) {
	elsewhere := t.TempDir()
	check(t, os.WriteFile(filepath.Join(elsewhere, "file"), []byte("linked"), 0o600))
	for what, test := range map[string]struct {
		target string
		ok     bool
	}{
		"file": {filepath.Join(elsewhere, "file"), true}, "folder": {elsewhere, false}, "nothing": {filepath.Join(elsewhere, "none"), false},
		"itself": {"secret_1.x", false},
	} {
		d := newCopied(t)
		check(t, os.Symlink(test.target, filepath.Join(d.root, "secret_1.x")))
		s, err := listDirectory(t, d)
		if !test.ok {
			if pipeline.HintOf(err) == "" || strings.Contains(fmt.Sprintf("%+v", err), "secret") {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		check(t, err)
		if objects, size := s.Totals(); objects != 1 || size != 6 {
			t.Errorf("%s: %d objects of %d bytes", what, objects, size)
		}
	}
}

// What is rewritten in place keeps its inode; mtime tells. What is replaced is
// another file under the same name.
func TestIdentity(t *testing.T) {
	d := newCopied(t)
	path := filepath.Join(d.root, "secret_1.x")
	var modified time.Time
	for what, change := range map[string]func() error{
		"touched": func() error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"appended": func() error {
			return errors.Join(os.WriteFile(path, []byte("content!"), 0o600), os.Chtimes(path, time.Time{}, modified))
		},
		"replaced": func() error {
			d.Put("secret_1.x", []byte("content"))
			return os.Chtimes(path, time.Time{}, modified)
		},
		"a folder": func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		check(t, os.RemoveAll(path))
		d.Put("secret_1.x", []byte("content"))
		check(t, os.RemoveAll(d.state))
		s, err := listDirectory(t, d)
		check(t, err)
		found, _, err := s.Find("secret_1.")
		check(t, err)
		modified = found[0].Modified
		r, err := s.Open(t.Context(), found[0], 0)
		check(t, err)
		check(t, change())
		_, err = io.ReadAll(r)
		err = errors.Join(err, r.Close())
		_, again := s.Open(t.Context(), found[0], 0)
		for _, err := range []error{err, again} {
			if !errors.Is(err, pipeline.ErrContentChanged) || strings.Contains(fmt.Sprintf("%+v", err), "secret") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// A folder that may not be read is refused, not passed over.
func TestForbidden(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	d := newCopied(t)
	d.Put("secret/a_1.x", nil)
	check(t, os.Chmod(filepath.Join(d.root, "secret"), 0))
	_, err := listDirectory(t, d)
	if pipeline.KindOf(err) != pipeline.KindAuth || strings.Contains(fmt.Sprintf("%+v", err), "secret") {
		t.Errorf("got %v", err)
	}
}
