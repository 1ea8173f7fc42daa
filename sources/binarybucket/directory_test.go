package binarybucket

import (
	"os"
	"path/filepath"
	"testing"

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
