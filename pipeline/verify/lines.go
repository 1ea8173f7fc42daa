package verify

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

const (
	// readBytes bounds one read.
	readBytes = 256 << 10
	// bufferBytes is the buffer of lines that are not long.
	bufferBytes = 2 * readBytes
	// longLine is the length from which on a line needs the turn: one worker at
	// a time may hold large buffers (I7).
	longLine = bufferBytes
)

// lineReader splits an exported object into lines, which may be modified.
type lineReader struct {
	turn    chan struct{} // of capacity 1, shared by all workers
	longest int           // bytes of the longest line that is returned as a whole

	in      io.Reader
	buf     []byte // with canon.Room behind what is ever filled
	start   int    // of the line that is next, in buf
	scanned int    // no LF in buf[start:scanned]
	end     int
	ended   bool  // in has ended
	offset  int64 // in the object, of start
	cut     bool  // the line before had no LF
	holds   bool  // the turn
}

// reset goes to another object, of which in begins at offset.
func (l *lineReader) reset(in io.Reader, offset int64) {
	l.shrink()
	l.in, l.start, l.scanned, l.end, l.ended, l.offset = in, 0, 0, 0, false, offset
}

// next returns the next line without its LF, valid until the next call, or
// io.EOF. With long true the line is longer than l.longest and none of it is
// returned: the caller takes it with part.
func (l *lineReader) next(ctx context.Context) (line []byte, long bool, err error) {
	l.shrink()
	for {
		i := bytes.IndexByte(l.buf[l.scanned:l.end], '\n')
		end := l.scanned + i
		if i < 0 {
			end = l.end
		}
		switch {
		case end-l.start > l.longest:
			l.scanned = l.start
			return nil, true, nil
		case i >= 0:
			return l.take(end, 1), false, nil
		case l.ended && l.start == l.end:
			return nil, false, io.EOF
		case l.ended: // the last LF is missing
			return l.take(l.end, 0), false, nil
		}
		l.scanned = l.end
		if err := l.fill(ctx); err != nil {
			return nil, false, err
		}
	}
}

// part returns the next piece of a long line, valid until the next call. With
// last true it is the last one, and what was read behind it is the next line.
func (l *lineReader) part(ctx context.Context) (piece []byte, last bool, err error) {
	if l.start == l.end && !l.ended {
		if err := l.fill(ctx); err != nil {
			return nil, false, err
		}
	}
	if i := bytes.IndexByte(l.buf[l.start:l.end], '\n'); i >= 0 {
		return l.take(l.start+i, 1), true, nil
	}
	return l.take(l.end, 0), l.ended, nil
}

// take passes what lies before end, and so many bytes behind.
func (l *lineReader) take(end, behind int) []byte {
	line := l.buf[l.start:end]
	l.cut = behind == 0
	l.offset += int64(end + behind - l.start)
	l.start, l.scanned = end+behind, end+behind
	return line
}

// fill reads once. There is room for readBytes behind what the buffer holds.
func (l *lineReader) fill(ctx context.Context) error {
	if err := l.makeRoom(ctx); err != nil {
		return err
	}
	n, err := l.in.Read(l.buf[l.end : l.end+readBytes])
	l.end += n
	if errors.Is(err, io.EOF) {
		l.ended, err = true, nil
	}
	return err
}

func (l *lineReader) makeRoom(ctx context.Context) error {
	if l.room() >= readBytes {
		return nil
	}
	held := l.end - l.start
	into := l.buf
	if len(into)-canon.Room-held < readBytes {
		size := max(bufferBytes, min(2*len(into), l.longest+2*readBytes))
		if size > longLine && !l.holds {
			select {
			case l.turn <- struct{}{}:
				l.holds = true
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		into = make([]byte, size+canon.Room)
	}
	copy(into, l.buf[l.start:l.end])
	l.buf, l.scanned = into, l.scanned-l.start
	l.start, l.end = 0, held
	return nil
}

func (l *lineReader) room() int { return len(l.buf) - canon.Room - l.end }

// shrink gives up a large buffer and the turn once no more is held than fits the
// usual one.
func (l *lineReader) shrink() {
	if !l.holds || l.end-l.start > readBytes {
		return
	}
	buf := make([]byte, bufferBytes+canon.Room)
	held := copy(buf, l.buf[l.start:l.end])
	l.buf, l.start, l.scanned, l.end = buf, 0, 0, held
	<-l.turn
	l.holds = false
}

// release gives up the turn at the end of the work.
func (l *lineReader) release() {
	l.start, l.scanned, l.end = 0, 0, 0
	l.shrink()
}

// longestLine is the longest line that is scanned in memory; see [longText] for
// others.
const longestLine = pipeline.MaxRecordBytes
