package verify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

const (
	// stringBytes is the length from which on a string of a long line goes to a
	// file.
	stringBytes = 64 << 10
	// spoolBytes are gathered before they are written.
	spoolBytes = 1 << 20
)

// errTooLarge says that a long line has more than one long string in base64.
var errTooLarge = errors.New("too large")

// longText reads a line that is too long for memory: that of a Binary, whose
// content is one string in base64. Its canonical text lies in a file while the
// rest of the line, a token in its place, is scanned like any other line.
type longText struct {
	path  string // of the file
	token []byte // a string that no line holds

	rest   []byte // the line with the token
	opened int    // where the open string begins in rest, behind its quote; -1: none is open
	escape bool   // the byte before was a backslash
	spools bool   // the open string goes to the file
	done   bool   // one did
	buf    []byte // not yet in the file
	size   int64  // of the file
	err    error  // of the file, in sum
	found  bool   // sum saw the token
}

func newLongText(path string) *longText {
	return &longText{path: path, token: []byte("fhirhose-" + rand.Text())}
}

// read takes the long line that stands next in l and leaves its rest in x.rest.
// If whole is false, that is only what stood before a defect.
func (x *longText) read(ctx context.Context, l *lineReader) (whole bool, err error) {
	x.rest, x.buf = make([]byte, 0, 4*stringBytes), make([]byte, 0, spoolBytes)
	x.opened, x.escape, x.spools, x.done, x.size, x.err = -1, false, false, false, 0, nil
	readable := true
	for last := false; !last; {
		var piece []byte
		var err error
		if piece, last, err = l.part(ctx); err != nil {
			return false, err
		}
		if !readable {
			continue
		}
		switch err := x.add(piece); {
		case errors.Is(err, errTooLarge):
			readable = false
		case err != nil:
			return false, err
		}
	}
	if !readable || x.spools {
		return false, nil
	}
	return true, x.flush()
}

// add takes the next piece of the line.
func (x *longText) add(piece []byte) error {
	for len(piece) > 0 {
		var n int
		var err error
		switch {
		case x.spools:
			n, err = x.spool(piece)
		case x.opened >= 0:
			n = x.inString(piece)
		default:
			n = bytes.IndexByte(piece, '"') + 1
			if n > 0 {
				x.opened = len(x.rest) + n
			} else {
				n = len(piece)
			}
			x.rest = append(x.rest, piece[:n]...)
		}
		if err != nil {
			return err
		}
		piece = piece[n:]
		switch {
		case len(x.rest) > pipeline.MaxRecordBytes:
			return errTooLarge
		case !x.spools && x.opened >= 0 && len(x.rest)-x.opened > stringBytes && !x.escape:
			if err := x.beginSpool(); err != nil {
				return err
			}
		}
	}
	return nil
}

// inString copies bytes of the open string up to its end, or to where it is long.
func (x *longText) inString(piece []byte) int {
	for n, b := range piece {
		switch {
		case x.escape:
			x.escape = false
		case b == '\\':
			x.escape = true
		case b == '"':
			x.rest = append(x.rest, piece[:n+1]...)
			x.opened = -1
			return n + 1
		case len(x.rest)+n-x.opened > stringBytes:
			x.rest = append(x.rest, piece[:n]...)
			return n
		}
	}
	x.rest = append(x.rest, piece...)
	return len(piece)
}

// beginSpool moves the open string to the file and puts the token in its place.
func (x *longText) beginSpool() error {
	if x.done {
		return errTooLarge
	}
	x.spools, x.done = true, true
	text := bytes.Clone(x.rest[x.opened:])
	x.rest = append(x.rest[:x.opened], x.token...)
	_, err := x.spool(text)
	return err
}

// spool takes bytes of the open string up to its end. Only what base64 is
// written with is taken: letters, digits, +, / and =, with \/ for /.
func (x *longText) spool(piece []byte) (int, error) {
	for n, b := range piece {
		switch {
		case x.escape && b != '/':
			return 0, errTooLarge
		case b == '\\':
			x.escape = true
			continue
		case b == '"':
			x.rest = append(x.rest, '"')
			x.spools, x.opened = false, -1
			return n + 1, nil
		case !isBase64(b):
			return 0, errTooLarge
		}
		x.escape = false
		if x.buf = append(x.buf, b); len(x.buf) == cap(x.buf) {
			if err := x.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(piece), nil
}

func isBase64(b byte) bool { return isTypeByte(b) || b == '+' || b == '/' || b == '=' }

func (x *longText) flush() error {
	if len(x.buf) == 0 {
		return nil
	}
	err := durable.WriteAt(x.path, x.size, x.buf)
	x.size += int64(len(x.buf))
	x.buf = x.buf[:0]
	return x.fileError(err)
}

// fileError is an error of the file, as distinct from those of the export.
func (x *longText) fileError(err error) error {
	return durable.Failure("keep a long line in", filepath.Dir(x.path), err)
}

// sum returns the SHA-256 of canonical text that holds the token, as it would be
// with the string in its place. What goes wrong with the file is in x.err.
func (x *longText) sum(text []byte) (sum [sha256.Size]byte) {
	hash := sha256.New()
	before, after, found := bytes.Cut(text, x.token)
	hash.Write(before)
	x.found = found
	if found {
		x.err = errors.Join(x.err, x.fileError(x.copyTo(hash)))
		hash.Write(after)
	}
	return [sha256.Size]byte(hash.Sum(sum[:0]))
}

func (x *longText) copyTo(w io.Writer) (err error) {
	file, err := os.Open(x.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	n, err := io.CopyBuffer(w, io.LimitReader(file, x.size), x.buf[:cap(x.buf)])
	if err == nil && n != x.size {
		return io.ErrUnexpectedEOF
	}
	return err
}

// remove ends the reading of one line.
func (x *longText) remove() error {
	x.rest, x.buf = nil, nil
	if x.size == 0 {
		return nil
	}
	return x.fileError(os.Remove(x.path))
}

// scanLong reads a line that is longer than memory allows.
func (s *scanner) scanLong(ctx context.Context, l *lineReader, x *longText, r *resource) (err error) {
	defer func() { err = errors.Join(err, x.remove()) }()
	whole, err := x.read(ctx, l)
	if err != nil {
		return err
	}
	s.long = x
	s.scan(append(x.rest, make([]byte, canon.Room)...)[:len(x.rest)], r)
	s.long = nil
	switch {
	case !whole:
		r.reason = pipeline.TooLarge
		return nil
	case r.reason == pipeline.NoReason && x.done && !x.found: // it stood in meta
		r.reason = pipeline.TooLarge
	}
	return x.err
}
