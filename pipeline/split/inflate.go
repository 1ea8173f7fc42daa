package split

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/fhirhose/fhirhose/pipeline/split/inflate"
)

// ErrCorrupt is in the chain of every error that says that the object's bytes are
// no sound gzip, beside the cause: [io.ErrUnexpectedEOF], [gzip.ErrChecksum],
// [gzip.ErrHeader] or a [flate.CorruptInputError]. Errors of the underlying
// reader are returned as they are.
var ErrCorrupt = errors.New("broken gzip")

// inflater says of a defect what it is and where.
type inflater struct {
	gzip   inflate.Reader
	offset int64 // decompressed bytes returned
	err    error // sticky
}

func (z *inflater) reset(compressed io.Reader) {
	z.gzip.Reset(compressed)
	z.offset, z.err = 0, nil
}

// Read returns bytes or an error, never both: every byte before a defect is
// delivered first, so that what a defect cuts off does not depend on chunks.
func (z *inflater) Read(p []byte) (int, error) {
	n, err := z.gzip.Read(p)
	return n, z.pass(n, err)
}

// fill is that of [inflate.Reader.Fill].
func (z *inflater) fill(p []byte, from int) (int, error) {
	n, err := z.gzip.Fill(p, from)
	return n, z.pass(n, err)
}

func (z *inflater) keep() { z.gzip.Keep() }

func (z *inflater) pass(n int, err error) error {
	z.offset += int64(n)
	if err != nil && z.err == nil {
		z.err = z.describe(err)
	}
	return z.err
}

func (z *inflater) describe(err error) error {
	var what string
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "truncated"
	case errors.Is(err, gzip.ErrChecksum):
		what = "wrong checksum or length"
	case errors.Is(err, gzip.ErrHeader) && z.gzip.Members() == 0:
		what = "not a gzip file"
	case errors.Is(err, gzip.ErrHeader):
		what = "garbage after the last member"
	default:
		if _, corrupt := errors.AsType[flate.CorruptInputError](err); !corrupt {
			return err
		}
		what = "corrupt data"
	}
	return fmt.Errorf("%w: %s at decompressed byte %d: %w", ErrCorrupt, what, z.offset, err)
}

func (z *inflater) taken() int64 { return z.gzip.Taken() }
