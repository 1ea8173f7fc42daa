package dynamoexport

import "context"

// place is where an export lies: a directory or a bucket. Names are relative to
// the export's folder.
type place interface {
	// name says what an operator calls the file: its path or its S3 URL.
	name(name string) string

	// read returns a whole small file. An absent one is fs.ErrNotExist, one that
	// may not be read fs.ErrPermission. The error is a pipeline.Error.
	read(ctx context.Context, name string, limit int64) ([]byte, error)

	// find looks a data file up. An absent one is fs.ErrNotExist.
	find(ctx context.Context, key string, names []string) (found, error)

	// local makes a data file readable as a local file and returns its path. fresh
	// tells that this call brought it there. number is the object's place in the
	// job's order.
	local(ctx context.Context, number int, f found) (path string, fresh bool, err error)

	// spools tells whether local takes space in `state`.
	spools() bool

	// forget removes the local copy if the place made one.
	forget(number int) error
}

// found is a data file that exists.
type found struct {
	name string // path or S3 key
	size int64
	etag string // of an S3 object: it pins the version that is downloaded
}
