package verify

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
)

// placed is a subject and its line in a file, from 0.
type placed struct {
	*Subject
	line int64
}

// read reads lines of one file, in their order. Of those that it cannot read, the
// failure stays as it is.
func (e *explaining) read(ctx context.Context, wanted []placed, open func() (io.ReadCloser, error), take func(*Subject, io.Reader) error) {
	if len(wanted) == 0 {
		return
	}
	slices.SortFunc(wanted, func(a, b placed) int { return cmp.Compare(a.line, b.line) })
	file, err := open()
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	in, at := bufio.NewReaderSize(file, readBytes), int64(0)
	for _, p := range wanted {
		for ; at <= p.line && ctx.Err() == nil; at++ {
			line := lineOf{in: in}
			if at == p.line && take(p.Subject, &line) != nil {
				return
			}
			if _, err := io.Copy(io.Discard, &line); err != nil {
				return
			}
		}
	}
}

// lineOf reads the line that stands next, without its LF. That there is none is
// io.ErrUnexpectedEOF.
type lineOf struct {
	in    *bufio.Reader
	rest  []byte
	ended bool
	read  bool
}

func (l *lineOf) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.ended {
			return 0, io.EOF
		}
		part, err := l.in.ReadSlice('\n')
		switch {
		case err == nil:
			part, l.ended = part[:len(part)-1], true
		case errors.Is(err, io.EOF) && (l.read || len(part) > 0): // the last LF is missing
			l.ended = true
		case errors.Is(err, io.EOF):
			return 0, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return 0, err
		}
		l.rest, l.read = part, true
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
