package staging

import "context"

// Place is where input lies: a folder in a directory or in a bucket. Names are
// relative to it.
type Place interface {
	// Name says what an operator calls the file: its path or its S3 URL. "" is the
	// folder.
	Name(name string) string

	// Read returns a whole small file. Its errors tell IsAbsent and IsForbidden.
	Read(ctx context.Context, name string, limit int64) ([]byte, error)

	// Walk calls f for every file in the folder, and below, in no order.
	Walk(ctx context.Context, f func(name string, size int64) error) error

	// find looks a file up, under names first, then under keys, which are whole
	// keys of the bucket that the input was made in. Where none exists, the error
	// is IsAbsent and says where the file should be.
	find(ctx context.Context, names, keys []string) (found, error)

	// head returns the first n bytes of a file, which has as many.
	head(ctx context.Context, f found, n int64) ([]byte, error)

	// local makes a file readable as a local file, at copied if it must be copied,
	// and returns its path. fresh tells that this call has read it where it lies.
	local(ctx context.Context, copied string, f found, progress func(int64)) (path string, fresh bool, err error)

	// spools tells whether local takes space in `state`.
	spools() bool

	// forget removes the local copy if the place made one.
	forget(copied string) error
}

// found is a file that exists.
type found struct {
	name string // path or S3 key
	size int64
	etag string // of an S3 object: it pins the version that is downloaded
	crc  string // CRC-64/NVME of an S3 object in base64; "" if S3 does not tell it
}
