package importing

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Taken tells that the target has taken, by other means than an import, resources of
// a folder that it had refused: they leave the failures, and the record counts them
// as imported. at is when it took the last one, by its own clock if that is known.
// Told twice, or again after a kill, it counts them once.
func Taken(ctx context.Context, store Checkpoint, state, tenant, folder string, taken func(Kept) bool, at time.Time) error {
	known, err := Records(store, tenant)
	if err != nil {
		return err
	}
	r := known[folder]
	if r == nil || !r.Done {
		return errors.New("bug: a folder that is not imported")
	}
	left, err := dropFailures(ctx, state, tenant, folder, taken)
	if err != nil {
		return err
	}
	if left == r.Failed {
		return nil
	}
	r.Taken += r.Failed - left
	r.Failed, r.Imported = left, r.Scanned-left
	if at.After(r.Ended) {
		r.Ended = at.UTC()
	}
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return store.Commit([]output.Change{{Bucket: bucket(tenant), Key: folder, Value: value}})
}

// dropFailures removes lines from the file of a folder's failures, which is replaced
// at once or not at all, and returns how many are left.
func dropFailures(ctx context.Context, state, tenant, folder string, drop func(Kept) bool) (left int64, err error) {
	path := Failures(state, tenant, folder)
	lines := lineWriter{path: path + ".new"}
	if err := os.Remove(lines.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, durable.Failure("remove", lines.path, err)
	}
	dropped := false
	err = EachFailure(state, tenant, folder, func(k Kept) error {
		if drop(k) {
			dropped = true
			return ctx.Err()
		}
		left++
		return lines.add(failureLine{k.Folder, k.Job, k.File, k.Line, k.Code, k.Raw})
	})
	switch {
	case err != nil:
		return 0, durable.Failure("write", lines.path, err)
	case !dropped:
		err = os.Remove(lines.path)
	case left == 0:
		err = errors.Join(os.Remove(path), ignoreAbsent(os.Remove(lines.path)))
	default:
		if err = lines.close(); err == nil {
			err = os.Rename(lines.path, path)
		}
	}
	if err = ignoreAbsent(err); err == nil && dropped {
		err = durable.SyncDir(filepath.Dir(path))
	}
	return left, durable.Failure("write", path, err)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
