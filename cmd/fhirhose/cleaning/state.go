package cleaning

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// StateDir is the state directory.
type StateDir struct {
	Dir        string
	Checkpoint string // its name, which goes last
}

// Folder of the state directory that holds plan and certificate. It stays.
const Folder = "clean"

// stateNames are what fhirhose keeps in a state directory, in the order in which it
// goes: what holds PHI first, the checkpoint apart.
var stateNames = []string{"in", "open", "tails", "stubs", "binaries", "import", "verify", "export.json", "status.json.tmp", "status.json"}

// staying are those that hold no PHI, and stay.
var staying = []string{Folder, "lock"}

// AuditName is the audit log, which stays unless it is named.
const AuditName = "audit.ndjson"

func (s *StateDir) kind(name string) Kind {
	top, _, _ := strings.Cut(name, "/")
	switch {
	case top == AuditName:
		return Audit
	case top == s.Checkpoint, slices.Contains(stateNames, top):
		return State
	case slices.Contains(staying, top):
		return elsewhere
	}
	return ""
}

// Look implements [Place].
func (s *StateDir) Look(context.Context) (*Seen, error) {
	seen := new(Seen)
	err := filepath.WalkDir(s.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.Dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch kind := s.kind(name); kind {
		case elsewhere:
		case "":
			seen.other(path)
		default:
			seen.of(kind, "", s.Dir).add(Amount{Objects: 1, Bytes: info.Size()})
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, durable.Failure("list state", s.Dir, err)
	}
	return seen, nil
}

// Remove implements [Place].
func (s *StateDir) Remove(_ context.Context, goes func(Kind) bool, _ func(Kind, string)) error {
	names := append(slices.Clone(stateNames), AuditName, s.Checkpoint)
	for _, name := range names {
		if !goes(s.kind(name)) {
			continue
		}
		err := faultpoint.At("clean")
		if err == nil {
			err = os.RemoveAll(filepath.Join(s.Dir, name))
		}
		if err == nil {
			err = durable.SyncDir(s.Dir)
		}
		if err != nil {
			return durable.Failure("remove state", name, err)
		}
	}
	return nil
}
