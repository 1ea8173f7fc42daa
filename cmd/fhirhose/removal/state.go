package removal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// stateNames are what a run keeps in its state directory, in the order in which
// it goes, the audit log apart. The checkpoint is last: until then it refuses to be
// gone on with.
func stateNames(checkpoint string) []string {
	return []string{"in", "open", "tails", "stubs", "binaries", metrics.StatusFile + ".tmp", metrics.StatusFile, checkpoint}
}

// stateSize returns the bytes of a run's state.
func stateSize(dir, checkpoint string) (size int64, err error) {
	for _, name := range stateNames(checkpoint) {
		err := filepath.WalkDir(filepath.Join(dir, name), func(_ string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err == nil {
				size += info.Size()
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, durable.Failure("list state", dir, err)
		}
	}
	return size, nil
}

func removeState(dir, checkpoint string) error {
	for _, name := range stateNames(checkpoint) {
		err := faultpoint.At("remove state")
		if err == nil {
			err = os.RemoveAll(filepath.Join(dir, name))
		}
		if err == nil {
			err = durable.SyncDir(dir)
		}
		if err != nil {
			return durable.Failure("remove state", name, err)
		}
	}
	return nil
}
