package statedir

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Writable tells, without writing, whether files can be made in dir, or dir
// itself in its nearest parent that exists.
func Writable(dir string) error {
	at := existing(dir)
	err := unix.Access(at, unix.W_OK|unix.X_OK)
	if info, statErr := os.Stat(at); err == nil && statErr == nil && !info.IsDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		return cannotWrite(at, err)
	}
	return nil
}

// Probe writes and deletes one file in dir, or in its nearest parent that
// exists.
func Probe(dir string) error {
	at := existing(dir)
	file, err := os.CreateTemp(at, ".fhirhose-write-probe-")
	if err != nil {
		return cannotWrite(at, err)
	}
	_, writeErr := file.WriteString("written by fhirhose check --write-probe\n")
	if err := errors.Join(writeErr, file.Sync(), file.Close(), os.Remove(file.Name())); err != nil {
		return cannotWrite(at, err)
	}
	return nil
}

func cannotWrite(dir string, err error) error {
	return &pipeline.Error{
		Op: "write to", Object: dir, Kind: pipeline.KindConfig, Err: err,
		Hint: "make it writable for the user that runs fhirhose, or name another directory",
	}
}

func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
