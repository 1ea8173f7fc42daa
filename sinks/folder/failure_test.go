package folder_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/sinks/folder"
)

// Each failure of a disk says what to do, whichever step it meets.
func TestFailuresOfTheDisk(t *testing.T) {
	for cause, want := range map[error]pipeline.Kind{
		syscall.ENOSPC: pipeline.KindRetryLater,
		syscall.EDQUOT: pipeline.KindRetryLater,
		syscall.EMFILE: pipeline.KindRetryLater,
		syscall.EIO:    pipeline.KindRetryLater,
		syscall.EROFS:  pipeline.KindConfig,
		syscall.EACCES: pipeline.KindAuth,
	} {
		for _, point := range []string{"mkdir", "write", "written", "fsync", "rename", "renamed", "sealed", "syncdir"} {
			t.Run(fmt.Sprintf("%v at %s", cause, point), func(t *testing.T) {
				sink := open(t, filepath.Join(t.TempDir(), "job"))
				defer faultpoint.Set(func(at string) error {
					if at == point {
						return &os.PathError{Op: at, Path: "f", Err: cause}
					}
					return nil
				})()
				err := writeOne(t, sink)
				if !errors.Is(err, cause) || pipeline.KindOf(err) != want || pipeline.HintOf(err) == "" {
					t.Errorf("kind %d, want %d, hint %q: %v", pipeline.KindOf(err), want, pipeline.HintOf(err), err)
				}
			})
		}
	}
}

func writeOne(t *testing.T, sink *folder.Sink) error {
	f := sink.Create("v1-0/Patient-v1-00000.ndjson")
	if err := f.Append(t.Context(), []byte("line\n")); err != nil {
		return err
	}
	if _, err := f.Mark()(t.Context()); err != nil {
		return err
	}
	if err := f.Seal(t.Context(), sha256.Sum256([]byte("line\n"))); err != nil {
		return err
	}
	return sink.Settle(t.Context())
}

// What the checkpoint knows and the disk does not is told, not repaired.
func TestTemporaryTooShort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "job")
	p := place(t, dir)
	p.Put("v1-0/.Patient-v1-00000.ndjson.partial", []byte("lin"))
	f := open(t, dir).Resume("v1-0/Patient-v1-00000.ndjson", 5, nil)
	if err := f.Append(t.Context(), []byte("x")); pipeline.KindOf(err) != pipeline.KindFatal {
		t.Errorf("want a fatal error, got %v", err)
	}
}

func TestFileInTheWay(t *testing.T) {
	dir := t.TempDir()
	place(t, dir).Put("job", []byte("a file"))
	if _, err := folder.Open(folder.Options{Dir: filepath.Join(dir, "job")}); pipeline.KindOf(err) != pipeline.KindConfig {
		t.Errorf("Open: want a config error, got %v", err)
	}
	sink := open(t, dir)
	err := sink.Create("job/Patient-v1-00000.ndjson").Append(t.Context(), []byte("x"))
	if pipeline.KindOf(err) != pipeline.KindConfig {
		t.Errorf("Append: want a config error, got %v", err)
	}
}

// One sync of a directory serves every file that was marked in it.
func TestOneSyncForManyNames(t *testing.T) {
	sink := open(t, filepath.Join(t.TempDir(), "job"))
	syncs := 0
	defer faultpoint.Set(func(point string) error {
		if point == "syncdir" {
			syncs++
		}
		return nil
	})()
	const files = 50
	var marks []func() error
	for i := range files {
		f := sink.Create(fmt.Sprintf("v1-0/Patient-v1-%05d.ndjson", i))
		check(t, f.Append(t.Context(), []byte("x")))
		durable := f.Mark()
		marks = append(marks, func() error { _, err := durable(t.Context()); return err })
	}
	before := syncs
	for _, m := range marks {
		check(t, m())
	}
	if n := syncs - before; n != 2 { // v1-0 and the job's folder
		t.Errorf("%d directory syncs for %d marks", n, files)
	}
	check(t, sink.Settle(t.Context()))
	if n := syncs - before; n != 2 {
		t.Errorf("Settle synced again what was durable: %d", n)
	}
}

// A sealed file's name is durable after Settle.
func TestSettleSyncsSealedNames(t *testing.T) {
	sink := open(t, filepath.Join(t.TempDir(), "job"))
	for _, name := range []string{"v1-0/a.ndjson", "v1-0/b.ndjson"} {
		f := sink.Create(name)
		check(t, f.Append(t.Context(), []byte("x")))
		_, err := f.Mark()(t.Context())
		check(t, err)
		check(t, f.Seal(t.Context(), sha256.Sum256([]byte("x"))))
		synced := false
		remove := faultpoint.Set(func(point string) error {
			synced = synced || point == "syncdir"
			return nil
		})
		err = sink.Settle(t.Context())
		remove()
		check(t, err)
		if !synced {
			t.Errorf("%s: its name is not durable", name)
		}
	}
}

// A name that was given and then failed to be settled is no failure of the cut that
// stands behind it: the bytes are durable under one of the two names.
func TestMarkAfterAFailedSeal(t *testing.T) {
	sink := open(t, filepath.Join(t.TempDir(), "job"))
	f := sink.Create("v1-0/Patient-v1-00000.ndjson")
	if err := f.Append(t.Context(), []byte("line\n")); err != nil {
		t.Fatal(err)
	}
	mark := f.Mark()
	remove := faultpoint.Set(func(at string) error {
		if at == "sealed" {
			return syscall.EIO
		}
		return nil
	})
	err := f.Seal(t.Context(), sha256.Sum256([]byte("line\n")))
	remove()
	if !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if _, err := mark(t.Context()); err != nil {
		t.Error(err)
	}
}
