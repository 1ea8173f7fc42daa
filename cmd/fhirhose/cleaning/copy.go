package cleaning

import (
	"context"
	"slices"
)

// Kind says what a copy is.
type Kind string

// The kinds, in the order in which they are shown.
const (
	Export       Kind = "DynamoDB export"
	Folders      Kind = "folders"
	Quarantine   Kind = "quarantine"
	Ledger       Kind = "ledger"
	Audit        Kind = "audit log"
	Results      Kind = "import output"
	Verification Kind = "verification export"
	State        Kind = "state"
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{Export, Folders, Quarantine, Ledger, Audit, Results, Verification, State}
}

// Amount is how much there is.
type Amount struct {
	Objects         int64 `json:"objects"` // that can be seen; on a disk, files
	Bytes           int64 `json:"bytes"`
	Noncurrent      int64 `json:"noncurrent_versions,omitempty"` // that a bucket keeps, hidden
	NoncurrentBytes int64 `json:"noncurrent_bytes,omitempty"`
	Markers         int64 `json:"delete_markers,omitempty"` // they hold nothing
	Uploads         int64 `json:"unfinished_uploads,omitempty"`
}

// Empty tells that nothing is there that holds data.
func (a Amount) Empty() bool { return a.Objects == 0 && a.Noncurrent == 0 && a.Uploads == 0 }

func (a *Amount) add(b Amount) {
	a.Objects, a.Bytes = a.Objects+b.Objects, a.Bytes+b.Bytes
	a.Noncurrent, a.NoncurrentBytes = a.Noncurrent+b.Noncurrent, a.NoncurrentBytes+b.NoncurrentBytes
	a.Markers, a.Uploads = a.Markers+b.Markers, a.Uploads+b.Uploads
}

// Copy is what lies at one place, of one kind.
type Copy struct {
	Kind   Kind   `json:"kind"`
	Tenant string `json:"tenant,omitempty"`
	Where  string `json:"where"` // s3://bucket/prefix, or a directory
	Amount
}

// Seen is what was found at a place.
type Seen struct {
	Copies []*Copy // in the order of Kinds
	// What nobody knows to be this job's, and stays.
	Others int64
	Names  []string // the first of them
	Notes  []string // what could not be seen, or is to be known, of the place
}

const namedOthers = 5

// other counts what stays.
func (s *Seen) other(name string) {
	s.Others++
	if len(s.Names) < namedOthers && !slices.Contains(s.Names, name) {
		s.Names = append(s.Names, name)
	}
}

// of returns the copy of a kind.
func (s *Seen) of(kind Kind, tenant, where string) *Copy {
	for _, c := range s.Copies {
		if c.Kind == kind {
			return c
		}
	}
	c := &Copy{Kind: kind, Tenant: tenant, Where: where}
	s.Copies = append(s.Copies, c)
	slices.SortStableFunc(s.Copies, func(a, b *Copy) int { return slices.Index(Kinds(), a.Kind) - slices.Index(Kinds(), b.Kind) })
	return c
}

// Place is where copies lie.
type Place interface {
	// Look says what is there, and changes nothing.
	Look(ctx context.Context) (*Seen, error)
	// Remove removes what Look finds of the kinds that go. What it could not remove
	// it says in words, with the kind. It may be called again after an error or a kill.
	Remove(ctx context.Context, goes func(Kind) bool, kept func(kind Kind, why string)) error
}
