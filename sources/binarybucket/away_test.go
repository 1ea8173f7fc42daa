package binarybucket_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/binarybucket"
)

// TestDirectoryAway: where the whole directory is not there, as when its disk is
// not mounted, no content is gone: the job stops, and goes on when it is back.
func TestDirectoryAway(t *testing.T) {
	dir, aside := filepath.Join(t.TempDir(), "contents"), filepath.Join(t.TempDir(), "aside")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "a_1.pdf"), []byte("text"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := binarybucket.Open(binarybucket.Options{Location: dir, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.List(t.Context(), func(int64) {}); err != nil {
		t.Fatal(err)
	}
	found, _, err := s.Find("a_1.")
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := os.Rename(dir, aside); err != nil {
		t.Fatal(err)
	}
	for _, prepare := range []func() error{
		func() error { return nil },
		func() error { return os.Mkdir(dir, 0o700) }, // what is left of a mount
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Open(t.Context(), found[0], 0)
		if pipeline.KindOf(err) != pipeline.KindRetryLater || pipeline.HintOf(err) == "" || errors.Is(err, pipeline.ErrContentGone) {
			t.Errorf("%v", err)
		}
	}
	if err := errors.Join(os.Remove(dir), os.Rename(aside, dir)); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), found[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}
