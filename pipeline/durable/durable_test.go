package durable_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

var errFault = errors.New("planted fault")

// TestWriteFileIsWholeOrOld lets each step of WriteFile fail in turn: the name
// holds the old content or the new one, never a part, and no temporary stays.
func TestWriteFileIsWholeOrOld(t *testing.T) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "status.json")
		if err := durable.WriteFile(path, []byte("old")); err != nil {
			t.Fatal(err)
		}
		passed, at := 0, ""
		remove := faultpoint.Set(func(point string) error {
			if passed++; passed == n {
				at = point
				return errFault
			}
			return nil
		})
		err := durable.WriteFile(path, []byte("new"))
		remove()
		content, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if at == "" {
			if err != nil || string(content) != "new" {
				t.Errorf("without fault: %q, %v", content, err)
			}
			return
		}
		if !errors.Is(err, errFault) {
			t.Errorf("step %d (%s) failed, WriteFile returned %v", n, at, err)
		}
		if got := string(content); got != "old" && (got != "new" || at != "syncdir") {
			t.Errorf("step %d (%s) failed and left %q", n, at, got)
		}
		if _, err := os.Stat(path + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("step %d (%s) left the temporary", n, at)
		}
	}
}

func TestRenameNewNeverReplaces(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	write(t, from, "ours")
	write(t, to, "theirs")
	if err := durable.RenameNew(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if got, _ := os.ReadFile(to); string(got) != "theirs" {
		t.Errorf("the name now holds %q", got)
	}
	if err := os.Remove(to); err != nil {
		t.Fatal(err)
	}
	if err := durable.RenameNew(from, to); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(from); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the old name is still there")
	}
}

func TestWriteAtZeroEmptiesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "a long content")
	write(t, path, "short")
	if err := durable.WriteAt(path, 5, []byte("er")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "shorter" {
		t.Errorf("got %q", got)
	}
}

func TestShortWriteLeavesHalf(t *testing.T) {
	defer faultpoint.Set(func(point string) error {
		if point == "write" {
			return io.ErrShortWrite
		}
		return nil
	})()
	path := filepath.Join(t.TempDir(), "file")
	if err := durable.WriteAt(path, 0, []byte("1234")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "12" {
		t.Errorf("got %q", got)
	}
}

// TestModes: what is stored is PHI, and nobody else may read it (I10).
func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := durable.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "file"), "x")
	for path, want := range map[string]string{dir: "drwx------", filepath.Join(dir, "file"): "-rw-------"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(info.Mode()); got != want {
			t.Errorf("%s has mode %s, want %s", filepath.Base(path), got, want)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := durable.WriteAt(path, 0, []byte(content)); err != nil {
		t.Fatal(err)
	}
}
