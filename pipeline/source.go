package pipeline

import (
	"context"
	"io"
	"time"
)

// Object is one input file of a source.
type Object struct {
	Key     string   // as the source's manifest names it
	Items   int64    // records that the manifest promises, or Unpromised
	MD5     [16]byte // of the bytes as they are stored, from the manifest; if it has none, what tells one object from another
	Size    int64    // bytes as they are stored, from stat or HEAD
	Version uint32   // of every record, where the source's layout says it; else 0
}

// Unpromised is Object.Items of a source whose manifest promises neither a number
// of records nor an MD5.
const Unpromised = -1

// Source is where records come from.
type Source interface {
	// Objects returns every input object in the order in which the job takes
	// them: by Items descending, then by Key; Unpromised ones by Size descending,
	// then by Key. The list is fixed once Source is opened, and part of the job's
	// fingerprint.
	Objects() []Object

	// Spools tells whether staging takes local space in `state`, as a download
	// does and a directory does not.
	Spools() bool

	// ExportTime is the moment that the source shows, zero if it is unknown.
	ExportTime() time.Time

	// Discard gives up the local space of object i, if it takes any. It is called
	// once every record of the object is committed (I1), and again after a
	// restart.
	Discard(i int) error

	// Stage makes object i locally readable and proves that its bytes are
	// those that the manifest promises (I9); of an Unpromised one it counts the
	// records. What an earlier run staged and
	// verified is neither fetched nor hashed again. It may be called for
	// several objects at the same time. Errors name the object and carry a
	// hint; a mismatch is KindFatal.
	Stage(ctx context.Context, i int) (Staged, error)
}

// Staged is an object that has been verified and can be read.
type Staged interface {
	// Open returns the stored bytes, from the beginning. Close also proves
	// that what was read is what was verified: an object that changed in
	// between is a KindFatal error that names it.
	Open() (io.ReadCloser, error)

	// Records returns how many records the object holds: as the manifest promises,
	// or as Stage has counted them. Whoever reads them must find as many (I4).
	Records() int64
}
