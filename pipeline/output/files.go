package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// FileRecord is what a cut stores of one file, under its name and, before that,
// its tenant.
type FileRecord struct {
	shard.OpenFile
	Longest int64           `json:"longest,omitempty"` // bytes of its longest line, with its LF; 0 of a ledger segment
	Sealed  bool            `json:"sealed,omitempty"`
	Sum     []byte          `json:"sum"`            // SHA-256 of the content if sealed, else sha.Sum.State of what it holds
	Sink    json.RawMessage `json:"sink,omitempty"` // what pipeline.File.Mark returned
}

// File is a file that the checkpoint knows.
type File struct {
	Name string // below its tenant's folder
	FileRecord
}

// Dir is the folder that it lies in: what a target imports at once.
func (f *File) Dir() string {
	folder, _, _ := strings.Cut(f.Name, "/")
	return folder
}

// IsLedger tells a ledger segment from a file of records.
func (f *File) IsLedger() bool { return strings.HasPrefix(f.Name, LedgerFolder) }

// IsQuarantine tells the files that no target imports.
func (f *File) IsQuarantine() bool { return f.Type == "" && !f.IsLedger() }

// The keys of a pipeline in the bucket of its name, and the bucket of its files.
// What else a producer keeps there is its own affair.
const (
	stateKey  = "state"
	ledgersAt = "ledger" // of the tenant "", and the beginning of those of others
)

func ledgerKey(tenant string) string { return strings.TrimSuffix(ledgersAt+"/"+tenant, "/") }

// fileKey is a file's key. No file of "" has one that begins like those of a
// tenant: see keyOf.
func fileKey(tenant, name string) string { return strings.TrimPrefix(tenant+"/"+name, "/") }

func keyOf(f *shard.File) string { return fileKey(f.Slot.Tenant, f.Name()) }

func (o *Output) filesBucket() string { return filesBucket(o.options.Name) }

func filesBucket(pipeline string) string { return pipeline + "-files" }

// Files lists every file of the last cut by name.
func (o *Output) Files() ([]File, error) { return FilesOf(o.store, o.options.Name) }

// FilesOf lists the files that a checkpoint knows of the pipeline of a name.
func FilesOf(store Entries, pipeline string) (files []File, err error) {
	err = store.Each(filesBucket(pipeline), func(key string, value []byte) error {
		var f File
		if err := json.Unmarshal(value, &f.FileRecord); err != nil {
			return Damaged(err)
		}
		f.Name = strings.TrimPrefix(key, fileKey(f.Tenant, ""))
		files = append(files, f)
		return nil
	})
	return files, err
}

// Open lists the files that are not sealed, for the operator the others too.
func (o *Output) Open() (open []File, err error) {
	files, err := o.Files()
	for _, f := range files {
		if !f.IsLedger() {
			o.options.Watch.FileKnown(f.Sealed)
		}
		if !f.Sealed {
			open = append(open, f)
		}
	}
	return open, err
}

// Sealed lists the finished output of all tenants by name.
func (o *Output) Sealed() ([]File, error) {
	files, err := o.Files()
	for _, f := range files {
		if !f.Sealed {
			return nil, Damaged(fmt.Errorf("file %s is not sealed", f.Name))
		}
	}
	return files, err
}

// State reads the producer's state of the last cut into v, and tells whether
// there is one.
func (o *Output) State(v any) (found bool, err error) {
	err = o.store.Each(o.options.Name, func(key string, value []byte) error {
		if key != stateKey {
			return nil
		}
		found = true
		return json.Unmarshal(value, v)
	})
	if err != nil {
		return found, Damaged(err)
	}
	return found, nil
}

// Restore brings open files and the ledger back to the last cut. placed are the
// sharder's files for them, in the same order.
func (o *Output) Restore(files []File, placed []*shard.File) error {
	for i, f := range files {
		if err := o.restoreFile(placed[i], f); err != nil {
			return err
		}
	}
	states := make(map[string]ledgerState)
	err := o.store.Each(o.options.Name, func(key string, value []byte) error {
		tenant, ok := strings.CutPrefix(key, ledgersAt)
		if !ok {
			return nil
		}
		var at ledgerState
		err := json.Unmarshal(value, &at)
		states[strings.TrimPrefix(tenant, "/")] = at
		return err
	})
	if err != nil {
		return Damaged(err)
	}
	return o.book.resume(states)
}

func (o *Output) restoreFile(file *shard.File, f File) error {
	if len(f.Sum) != sha.Size {
		return Damaged(fmt.Errorf("the state of a sum has %d bytes, not %d", len(f.Sum), sha.Size))
	}
	w := o.writers[o.WriterOf(file.Slot)]
	w.files[file] = &open{
		file: file, state: f.Sum, size: f.Size, lines: f.Lines, most: f.Longest,
		sink: o.sinks.Of(f.Tenant).Resume(f.Name, f.Size, f.Sink),
	}
	return nil
}

// RemoveRows removes the rows of ledger segments: all are sealed.
func (o *Output) RemoveRows() error {
	paths, err := filepath.Glob(filepath.Join(o.options.State, "open", o.options.Name+"-*.rows"))
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return durable.Failure("remove open ledger segments", o.options.State, err)
	}
	return nil
}
