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

// keepFailures writes what the target has refused, and returns how much that is. It
// asks for it also where the target has counted none: a failure that nobody counts
// must not be lost. A second time it writes the same file anew.
func (i *Importer) keepFailures(ctx context.Context, f Folder, r *Record) (n int64, err error) {
	path := Failures(i.o.State, i.o.Tenant, f.Name)
	// Of an earlier attempt there may have been more.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, durable.Failure("remove", path, err)
	}
	if n, err = i.writeFailures(ctx, f, r, path); err != nil {
		return 0, durable.Failure("keep failures in", path, err)
	}
	return n, nil
}

func (i *Importer) writeFailures(ctx context.Context, f Folder, r *Record, path string) (n int64, err error) {
	lines := lineWriter{path: path}
	err = i.target.Failures(ctx, r.Job, func(failure Failure) error {
		n++
		return lines.add(failureLine{f.Name, r.Job, failure.File, failure.Line, failure.Code, failure.Raw})
	})
	if err != nil || n == 0 {
		return 0, err
	}
	return n, lines.close()
}

// lineWriter writes lines of JSON to a new file that holds PHI.
type lineWriter struct {
	path   string
	size   int64 // written
	buffer []byte
}

func (w *lineWriter) add(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	w.buffer = append(append(w.buffer, text...), '\n')
	if len(w.buffer) < failuresBuffer {
		return nil
	}
	return w.flush()
}

func (w *lineWriter) flush() error {
	if err := durable.MkdirAll(filepath.Dir(w.path)); err != nil {
		return err
	}
	err := durable.WriteAt(w.path, w.size, w.buffer)
	w.size += int64(len(w.buffer))
	w.buffer = w.buffer[:0]
	return err
}

// close makes the file durable.
func (w *lineWriter) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := durable.Sync(w.path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(w.path))
}
