package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// MkdirAll creates dir and its parents, and makes the new names durable.
func MkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := step("mkdir"); err != nil {
		return err
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(filepath.Dir(dir))
}

// WriteFile puts data under path, replacing what is there: temporary file
// beside it, fsync, rename, fsync of the directory. On any error the old
// content is whole and the temporary is gone.
func WriteFile(path string, data []byte) (err error) {
	temporary := path + ".tmp"
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	if err := WriteAt(temporary, 0, data); err != nil {
		return err
	}
	if err := Sync(temporary); err != nil {
		return err
	}
	if err := step("rename"); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// WriteAt writes p at offset; at offset 0 it creates the file or empties it, so
// that nothing of an earlier, longer file stays. The bytes are not durable
// before Sync.
func WriteAt(path string, offset int64, p []byte) error {
	return WriteAtBy((*os.File).WriteAt, path, offset, p)
}

// WriteAtBy is WriteAt by another way into the open file. Like that of
// [os.File.WriteAt], it writes all of p or returns an error.
func WriteAtBy(write func(*os.File, []byte, int64) (int, error), path string, offset int64, p []byte) (err error) {
	flags := os.O_WRONLY
	if offset == 0 {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(path, flags, fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := step("write"); err != nil {
		if errors.Is(err, io.ErrShortWrite) { // a test's full disk: some of it fits
			_, _ = file.WriteAt(p[:len(p)/2], offset)
		}
		return err
	}
	if _, err := write(file, p, offset); err != nil {
		return err
	}
	return step("written")
}

// ReadAt fills p with what path holds at offset, or returns an error.
func ReadAt(path string, offset int64, p []byte) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := step("read"); err != nil {
		return err
	}
	_, err = file.ReadAt(p, offset)
	return err
}

// Sync makes the bytes of path durable.
func Sync(path string) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := step("fsync"); err != nil {
		return err
	}
	return file.Sync()
}

// RenameNew gives the file a new name and never replaces one: if the name is
// taken it returns an error that is fs.ErrExist. The new name is durable after
// SyncDir.
func RenameNew(from, to string) error {
	if err := step("rename"); err != nil {
		return err
	}
	// A hard link is the portable rename that refuses to replace.
	err := os.Link(from, to)
	switch {
	case errors.Is(err, fs.ErrExist):
		return err
	case err != nil: // a file system without hard links; the claim keeps others away
		if _, statErr := os.Lstat(to); statErr == nil {
			return fmt.Errorf("rename to %s: %w", to, fs.ErrExist)
		}
		return os.Rename(from, to)
	}
	if err := step("renamed"); err != nil {
		return err
	}
	return os.Remove(from)
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := step("syncdir"); err != nil {
		return err
	}
	return d.Sync()
}

func step(point string) error {
	if err := faultpoint.At(point); err != nil {
		return fmt.Errorf("%s: %w", point, err)
	}
	return nil
}
