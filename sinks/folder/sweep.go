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
// out of the folder, so every temporary in it is ours.
func (s *Sink) Sweep(ctx context.Context, open map[string]json.RawMessage) error {
	owned := make(map[string]bool, len(open))
	for name := range open {
		owned[partialPath(s.path(name))] = true
	}
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
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
