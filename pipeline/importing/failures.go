package importing

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// Failures is the file of the resources of a folder that the target has refused,
// in the order of the target's answer: a line of JSON for each, with folder, job,
// file, line, reason and raw, what the target says, in base64. It is absent if
// there are none. The tenant is written in hexadecimal: the file system may not
// tell a from A.
func Failures(state, tenant, folder string) string {
	return filepath.Join(state, "import", hex.EncodeToString([]byte(tenant)), folder+".failures.ndjson")
}

type failureLine struct {
	Folder string `json:"folder"`
	Job    string `json:"job"`
	File   string `json:"file"`
	Line   int64  `json:"line"`
	Reason string `json:"reason"`
	Raw    []byte `json:"raw"`
}

// failuresBuffer is how much is gathered before it is written.
const failuresBuffer = 256 << 10

// keepFailures writes what the target has refused, and returns how much that is. A
// second time it writes the same file anew.
func (i *Importer) keepFailures(ctx context.Context, f Folder, r *Record) (n int64, err error) {
	path := Failures(i.o.State, i.o.Tenant, f.Name)
	if r.Failed == 0 { // of an earlier attempt there may have been some
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, durable.Failure("remove", path, err)
		}
		return 0, nil
	}
	if n, err = i.writeFailures(ctx, f, r, path); err != nil {
		return 0, durable.Failure("keep failures in", path, err)
	}
	return n, nil
}

func (i *Importer) writeFailures(ctx context.Context, f Folder, r *Record, path string) (n int64, err error) {
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return 0, err
	}
	var size int64
	var buffer []byte
	flush := func() error {
		err := durable.WriteAt(path, size, buffer)
		size += int64(len(buffer))
		buffer = buffer[:0]
		return err
	}
	err = i.target.Failures(ctx, r.Job, func(failure Failure) error {
		line, err := json.Marshal(failureLine{f.Name, r.Job, failure.File, failure.Line, failure.Code, failure.Raw})
		if err != nil {
			return err
		}
		buffer = append(append(buffer, line...), '\n')
		n++
		if len(buffer) < failuresBuffer {
			return nil
		}
		return flush()
	})
	if err != nil {
		return 0, err
	}
	if err := flush(); err != nil {
		return 0, err
	}
	if err := durable.Sync(path); err != nil {
		return 0, err
	}
	return n, durable.SyncDir(filepath.Dir(path))
}
