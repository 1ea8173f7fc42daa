package folder

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// Sweep implements [pipeline.Sink]: it removes the temporaries under the job's
// folder that no open file of the checkpoint owns. The claim keeps other runs
// out of the folder, so every temporary in it is ours, folders of other jobs
// below it apart.
func (s *Sink) Sweep(ctx context.Context, open map[string]json.RawMessage) error {
	owned := make(map[string]bool, len(open))
	for name := range open {
		owned[partialPath(s.path(name))] = true
	}
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if s.isOther(path, entry) {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() || !isPartial(entry.Name()) || owned[path] {
			return ctx.Err()
		}
		return os.Remove(path) //nolint:gosec // G122: the directory is 0700 and claimed by this run
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a job killed before its first file
	}
	return durable.Failure("sweep", s.dir, err)
}

// isOther tells a folder of another job: one tenant's may lie below that of a job
// with the tenant's name. A job's first act is to make _fhirhose in its folder.
func (s *Sink) isOther(path string, entry fs.DirEntry) bool {
	if !entry.IsDir() || path == s.dir {
		return false
	}
	_, err := os.Lstat(filepath.Join(path, filepath.Dir(claimName)))
	return err == nil
}
