package split

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// ErrCorrupt is in the chain of every error that says that the object's bytes are
// no sound gzip, beside the cause: [io.ErrUnexpectedEOF], [gzip.ErrChecksum],
// [gzip.ErrHeader] or a [flate.CorruptInputError]. Errors of the underlying
// reader are returned as they are.
var ErrCorrupt = errors.New("broken gzip")

// inputBytes is the buffer of compressed bytes. The decompressor is fastest on
// exactly a *bufio.Reader.
const inputBytes = 128 << 10

// inflater reads the members of a gzip file one after the other. No member at all
// is an empty file, which is how an empty partition may be exported.
type inflater struct {
	source   counter
	in       *bufio.Reader
	gzip     gzip.Reader
	inMember bool
	members  int
	offset   int64 // decompressed bytes returned
	err      error // sticky
}

func (z *inflater) reset(compressed io.Reader) {
	z.source = counter{reader: compressed}
	if z.in == nil {
		z.in = bufio.NewReaderSize(&z.source, inputBytes)
	} else {
		z.in.Reset(&z.source)
	}
	z.inMember, z.members, z.offset, z.err = false, 0, 0, nil
}

// Read returns bytes or an error, never both: every byte before a defect is
// delivered first, so that what a defect cuts off does not depend on chunks.
func (z *inflater) Read(p []byte) (int, error) {
	n := 0
	for n == 0 && z.err == nil {
		if !z.inMember {
			z.err = z.openMember()
			continue
		}
		var err error
		n, err = z.gzip.Read(p)
		z.offset += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			z.inMember = false
		case err != nil:
			z.err = z.describe(err)
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, z.err
}

// openMember returns io.EOF only where a member could begin and none does. The
// library's own loop over members takes a header that breaks off within the file
// name for a sound end.
func (z *inflater) openMember() error {
	if _, err := z.in.Peek(1); err != nil {
		return err
	}
	err := z.gzip.Reset(z.in)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return z.describe(err)
	}
	z.gzip.Multistream(false)
	z.inMember = true
	z.members++
	return nil
}

func (z *inflater) describe(err error) error {
	var what string
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "truncated"
	case errors.Is(err, gzip.ErrChecksum):
		what = "wrong checksum or length"
	case errors.Is(err, gzip.ErrHeader) && z.members == 0:
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

// taken returns the compressed bytes that the decompressor has taken.
func (z *inflater) taken() int64 { return z.source.count - int64(z.in.Buffered()) }

// counter counts what passes.
type counter struct {
	reader io.Reader
	count  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.reader.Read(p)
	c.count += int64(n)
	return n, err
}
