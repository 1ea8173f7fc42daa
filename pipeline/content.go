package pipeline

import (
	"context"
	"errors"
	"io"
	"time"
)

// Content is one object of a binary bucket: the bytes of one version of one FHIR
// Binary.
type Content struct {
	Key       string // PHI: it holds an id; never in a log or an error (I10)
	VersionID string // of the object in a versioned bucket, else ""
	ETag      string // of a directory's file: what stands for its identity
	Size      int64  // bytes
	Modified  time.Time
}

// What a row's content may turn out to be when it is read.
var (
	// ErrContentChanged: the object is not the one that was listed.
	ErrContentChanged = errors.New("content changed since it was listed")
	// ErrContentGone: the object was listed, and is not there any more.
	ErrContentGone = errors.New("content gone since it was listed")
)

// Contents is where the contents of Binary rows lie: a bucket, or a directory
// like one. What it holds is listed once per job; every process of the job sees
// that listing (I3).
//
// Errors never hold a key (I10): the caller knows the record and names it.
// One suite in sources/contentstest holds every implementation to this contract.
type Contents interface {
	// List lists the whole bucket into `state`, unless an earlier process of the
	// job has done so; a listing that was cut short is begun again. progress is
	// told how many objects were listed so far. It comes before all else.
	List(ctx context.Context, progress func(objects int64)) error

	// Totals returns how many objects the listing holds, and their bytes.
	Totals() (objects, bytes int64)

	// Find returns, in key order, the listed objects whose key is prefix with
	// anything but a slash behind it, and the number of the first in the listing;
	// at most two, for two are too many. The second's number is the next one, unless
	// keys with a slash lie between the two.
	Find(prefix string) (found []Content, first int64, err error)

	// Erased returns the objects that once had such a key and now are
	// noncurrent: of each key the newest that is no delete marker. At most two.
	// Empty where the bucket keeps no versions.
	Erased(ctx context.Context, prefix string) ([]Content, error)

	// Each calls f for every listed object whose key begins with prefix, in key
	// order, with its number. Those before it cost nothing.
	Each(ctx context.Context, prefix string, f func(number int64, c Content) error) error

	// Open reads c from offset to its end. A read that fails on the way is
	// continued by range, a bounded number of times. ErrContentChanged and
	// ErrContentGone tell what no retry mends. Less or more bytes than c.Size are
	// an error, never a short content.
	Open(ctx context.Context, c Content, offset int64) (io.ReadCloser, error)

	// Stage copies c to a local file, whole and durable, by concurrent ranges
	// where that pays. What an earlier process has copied of it is not read
	// again, as long as it is provably of the same object. Errors are those of Open.
	Stage(ctx context.Context, c Content, path string) error
}
