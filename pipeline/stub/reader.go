package stub

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

const (
	readBytes = 64 << 10 // how much is read at a time
	keptBytes = 1 << 20  // a larger buffer is given back after the frame that needed it
)

// Reader reads stubs, one after the other, into one buffer.
type Reader struct {
	in     *bufio.Reader
	name   string
	offset int64 // of the next frame
	end    int64
	head   [headBytes]byte
	body   []byte
	err    error // what stopped it
}

// NewReader reads the frames from offset, where in stands, to end: the position
// up to which the checkpoint says that the file is whole. Nothing behind end is
// read. name is the file's in errors.
func NewReader(in io.Reader, name string, offset, end int64) *Reader {
	return &Reader{
		in:   bufio.NewReaderSize(io.LimitReader(in, end-offset), readBytes),
		name: name, offset: offset, end: end,
	}
}

// Offset returns the position behind the stub that was read last.
func (r *Reader) Offset() int64 { return r.offset }

// Next reads the next stub into s, whose slices are valid until the next call.
// At the end it returns io.EOF. A file that is damaged, or shorter than it was
// said to be, is an error of KindCheckpoint. After an error s means nothing, the
// position stays, and each further call returns the same.
func (r *Reader) Next(s *Stub) error {
	if r.err == nil {
		r.err = r.next(s)
	}
	return r.err
}

func (r *Reader) next(s *Stub) error {
	left := r.end - r.offset
	if left <= 0 {
		return io.EOF
	}
	if left < headBytes {
		return r.damaged("the file ends")
	}
	if err := r.read(r.head[:]); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(r.head[:]))
	switch {
	case n > MaxBytes:
		return r.damaged("the length is wrong")
	case n > left-headBytes:
		return r.damaged("the file ends")
	}
	*s = Stub{} // it may hold the buffer
	r.room(int(n))
	if err := r.read(r.body); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(r.head[atSum:]) != sumOf(r.head[:atSum], r.body) {
		return r.damaged("the checksum is wrong")
	}
	if !s.take(r.body) {
		return r.damaged("the content is wrong")
	}
	r.offset += headBytes + n
	return nil
}

// read fills p.
func (r *Reader) read(p []byte) error {
	_, err := io.ReadFull(r.in, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.damaged("the file ends")
	}
	return durable.Failure("read stubs", r.name, err)
}

// room makes room for a body of n bytes.
func (r *Reader) room(n int) {
	if cap(r.body) < n || cap(r.body) > keptBytes && n <= keptBytes {
		r.body = nil
		r.body = make([]byte, n, max(n+n/4, readBytes))
	}
	r.body = r.body[:n]
}

// damaged names a defect of the next frame, never what is in it (I10).
func (r *Reader) damaged(defect string) error {
	return &pipeline.Error{
		Op: "read stubs", Object: r.name, Kind: pipeline.KindCheckpoint,
		Err:  fmt.Errorf("%s in the frame at byte %d", defect, r.offset),
		Hint: "restore `state` from a copy, or begin again with `fhirhose move --restart`",
	}
}
