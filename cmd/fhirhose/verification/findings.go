package verification

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// Finding is what was found of one resource, or of a line of which it is not known
// whose it is. It is PHI.
type Finding struct {
	Class   string `json:"class"`
	Cause   string `json:"cause,omitempty"` // of "could not be checked"
	Type    string `json:"type,omitempty"`
	ID      string `json:"id,omitempty"`      // "" where the ledger does not know the resource
	Version uint32 `json:"version,omitempty"` // the source's last one
	Object  string `json:"object,omitempty"`  // of the target's export, and the line in it, from 1
	Line    int64  `json:"line,omitempty"`
	Reason  string `json:"reason,omitempty"` // why that line could not be read

	// Explained says what differs, if that was compared: it lies in another file.
	*verify.Explained `json:"-"`
}

// EachFinding calls do for each finding, with what is known of it.
func (r *Result) EachFinding(state string, do func(*Finding) error) error {
	if r.Findings == "" {
		return nil
	}
	explained := make(map[string]*verify.Explained) // at most MostExplained
	if r.Explained != nil {
		err := statedir.EachLine(filepath.Join(state, r.Explained.File), func(line *Explanation) error {
			explained[line.Type+"/"+line.ID] = &line.Explained
			return nil
		})
		if err != nil {
			return err
		}
	}
	return statedir.EachLine(filepath.Join(state, r.Findings), func(f *Finding) error {
		f.Explained = explained[f.Type+"/"+f.ID]
		return do(f)
	})
}

// Findings is a file of findings that is written: a line of JSON for each.
type Findings struct {
	path string
	size int64 // of what is in the file
	buf  []byte
}

// findingsBuffer is how much is gathered before it is written.
const findingsBuffer = 256 << 10

// OpenFindings begins the file of findings of a mode, or goes on with the first
// size bytes of it.
func OpenFindings(state, tenant, mode string, size int64) (*Findings, error) {
	f := &Findings{path: filepath.Join(Dir(state, tenant), mode+".findings.ndjson"), size: size}
	if err := durable.MkdirAll(filepath.Dir(f.path)); err != nil {
		return nil, durable.Failure("write", f.path, err)
	}
	if size > 0 { // what a killed run wrote behind it goes
		info, err := os.Stat(f.path)
		if err == nil && info.Size() < size {
			err = fmt.Errorf("it holds %d bytes, %d were written", info.Size(), size)
		}
		if err == nil {
			err = os.Truncate(f.path, size)
		}
		if err != nil {
			return nil, durable.Failure("go on with", f.path, err)
		}
	}
	return f, nil
}

// Add adds a finding.
func (f *Findings) Add(it *Finding) error {
	line, err := json.Marshal(it)
	if err != nil {
		return err
	}
	f.buf = append(append(f.buf, line...), '\n')
	if len(f.buf) < findingsBuffer {
		return nil
	}
	return f.flush()
}

func (f *Findings) flush() error {
	if err := durable.WriteAt(f.path, f.size, f.buf); err != nil {
		return durable.Failure("write", f.path, err)
	}
	f.size += int64(len(f.buf))
	f.buf = f.buf[:0]
	return nil
}

// Sync makes all findings durable, and returns how many bytes they are.
func (f *Findings) Sync() (size int64, err error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	if err := durable.Sync(f.path); err != nil {
		return 0, durable.Failure("sync", f.path, err)
	}
	return f.size, durable.Failure("sync", f.path, durable.SyncDir(filepath.Dir(f.path)))
}

// Close makes all findings durable and returns the file's name below the state
// directory; without any there is no file, and "".
func (f *Findings) Close(state string) (name string, err error) {
	size, err := f.Sync()
	switch {
	case err != nil:
		return "", err
	case size == 0:
		return "", durable.Failure("remove", f.path, os.Remove(f.path))
	}
	name, err = filepath.Rel(state, f.path)
	return name, err
}
