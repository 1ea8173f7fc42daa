package dynamoexport

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/split"
	"github.com/fhirhose/fhirhose/sources/sourcetest"
)

// A torn marker costs hashing once more, nothing else.
func TestTornMarker(t *testing.T) {
	folder, state := newExport("", three()).write(t), t.TempDir()
	var hashed int64
	stage := func() {
		source := must[*Source](t)(Open(t.Context(), Options{Location: folder, StateDir: state, Staged: func(n int64) { hashed += n }}))
		must[pipeline.Staged](t)(source.Stage(t.Context(), 0))
	}
	stage()
	for _, torn := range []string{"", "{", `{"version":1}`} {
		hashed = 0
		writeFile(t, filepath.Join(state, "in", "000000.json"), []byte(torn))
		stage()
		if hashed == 0 {
			t.Errorf("marker %q was believed", torn)
		}
	}
}

// What is rewritten in place keeps its inode; mtime tells. What is replaced is
// another file under the same name.
func TestChangedWhileReading(t *testing.T) {
	folder := newExport("", three()).write(t)
	source := must[*Source](t)(openExport(t, folder))
	path := filepath.Join(folder, "data", "c.json.gz")
	for what, change := range map[string]func() error{
		"touched":  func() error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"appended": func() error { return os.WriteFile(path, []byte("something longer than before"), 0o600) },
		"removed":  func() error { return os.Remove(path) },
		"replaced": func() error {
			writeFile(t, path+".new", []byte("bytes of X.json.gz"))
			return os.Rename(path+".new", path)
		},
	} {
		writeFile(t, path, []byte("bytes of c.json.gz"))
		staged := must[pipeline.Staged](t)(source.Stage(t.Context(), 0))
		r := must[io.ReadCloser](t)(staged.Open())
		if err := change(); err != nil {
			t.Fatal(err)
		}
		err := r.Close()
		if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(err.Error(), "changed while reading") ||
			!strings.Contains(err.Error(), "c.json.gz") || pipeline.HintOf(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The bytes of another file were read, although the verified one is back.
func TestReplacedAndPutBack(t *testing.T) {
	folder := newExport("", three()).write(t)
	source := must[*Source](t)(openExport(t, folder))
	path := filepath.Join(folder, "data", "c.json.gz")
	staged := must[pipeline.Staged](t)(source.Stage(t.Context(), 0))
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, []byte("bytes of X.json.gz"))
	r := must[io.ReadCloser](t)(staged.Open())
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); pipeline.KindOf(err) != pipeline.KindFatal {
		t.Errorf("got %v", err)
	}
}

// Changed in the middle of the first read, by the callback that sees it going on.
func TestChangedWhileHashing(t *testing.T) {
	folder := newExport("", three()).write(t)
	path := filepath.Join(folder, "data", "c.json.gz")
	source := must[*Source](t)(Open(t.Context(), Options{Location: folder, StateDir: t.TempDir(), Staged: func(int64) {
		writeFile(t, path, []byte("bytes of something else"))
	}}))
	_, err := source.Stage(t.Context(), 0)
	if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(err.Error(), "changed while reading") {
		t.Errorf("got %v", err)
	}
}

func TestDirectoryIsNeverTouched(t *testing.T) {
	e := newExport("", three())
	folder := e.write(t)
	source := must[*Source](t)(openExport(t, folder))
	for i := range source.Objects() {
		must[pipeline.Staged](t)(source.Stage(t.Context(), i))
		if err := source.Discard(i); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range e {
		if got := must[[]byte](t)(os.ReadFile(filepath.Join(folder, name))); !bytes.Equal(got, want) {
			t.Errorf("%s was changed", name)
		}
	}
	if source.Spools() {
		t.Errorf("a directory takes no space in state")
	}
}

func TestKindsOfLocalFaults(t *testing.T) {
	folder := newExport("", three()).write(t)
	for cause, want := range map[error]pipeline.Kind{
		syscall.ENOSPC:   pipeline.KindRetryLater,
		syscall.EDQUOT:   pipeline.KindRetryLater,
		syscall.EIO:      pipeline.KindRetryLater,
		os.ErrPermission: pipeline.KindAuth,
	} {
		source := must[*Source](t)(openExport(t, folder))
		remove := faultpoint.Set(func(point string) error {
			if point == "write" {
				return cause
			}
			return nil
		})
		_, err := source.Stage(t.Context(), 0)
		remove()
		if pipeline.KindOf(err) != want || !errors.Is(err, cause) || !strings.Contains(err.Error(), "c.json.gz") {
			t.Errorf("%v: kind %d, want %d: %v", cause, pipeline.KindOf(err), want, err)
		}
	}
}

// Right MD5, broken gzip: the export contradicts itself. Staging cannot know; the
// splitter says it.
func TestBrokenGzipWithRightMD5(t *testing.T) {
	var whole bytes.Buffer
	w := gzip.NewWriter(&whole)
	_, _ = w.Write(bytes.Repeat([]byte(`{"Item":{}}`+"\n"), 1000))
	_ = w.Close()
	flipped := bytes.Clone(whole.Bytes())
	flipped[len(flipped)-6] ^= 1
	objects := []sourcetest.Object{
		{Name: "flipped.json.gz", Items: 1000, Compressed: flipped},
		{Name: "sound.json.gz", Items: 1000, Compressed: whole.Bytes()},
		{Name: "truncated.json.gz", Items: 1000, Compressed: whole.Bytes()[:whole.Len()-20]},
	}
	source := must[*Source](t)(openExport(t, newExport("", objects).write(t)))
	for i, object := range source.Objects() {
		staged := must[pipeline.Staged](t)(source.Stage(t.Context(), i))
		r := must[io.ReadCloser](t)(staged.Open())
		splitter := split.NewReader(r, split.Options{})
		var b split.Batch
		records := 0
		var err error
		for err == nil {
			if err = splitter.Next(&b, false); err == nil {
				records += len(b.Lines)
			}
		}
		if sound := strings.Contains(object.Key, "sound"); sound != errors.Is(err, io.EOF) || sound == errors.Is(err, split.ErrCorrupt) {
			t.Errorf("%s: %v", object.Key, err)
		} else if sound && records != 1000 {
			t.Errorf("%d records", records)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
