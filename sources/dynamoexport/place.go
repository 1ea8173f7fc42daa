package dynamoexport

import (
	"context"
	"errors"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
)

// place is where an export lies: a directory or a bucket. Names are relative to
// the export's folder.
type place interface {
	// name says what an operator calls the file: its path or its S3 URL.
	name(name string) string

	// read returns a whole small file. Its errors tell isAbsent and isForbidden.
	read(ctx context.Context, name string, limit int64) ([]byte, error)

	// find looks a data file up, under names first, then under keys, which are
	// whole keys of the bucket that the export was made in. Where none exists, the
	// error is isAbsent and says where the file should be.
	find(ctx context.Context, names, keys []string) (found, error)

	// head returns the first n bytes of a data file, which has as many.
	head(ctx context.Context, f found, n int64) ([]byte, error)

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

func openPlace(ctx context.Context, o Options, in inbox) (place, error) {
	if o.Bucket != nil {
		return openBucket(ctx, o.Bucket, in, o.Staged)
	}
	if strings.HasPrefix(o.Location, "s3://") {
		return nil, &pipeline.Error{Op: "open", Object: o.Location, Err: errors.New("no bucket was opened for it")}
	}
	return openDirectory(o.Location)
}
