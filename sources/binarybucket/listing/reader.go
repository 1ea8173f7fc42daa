package listing

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Listing is a finished listing. It is safe for concurrent use.
type Listing struct {
	file           file
	root           span
	blocksEnd      int64 // where the trailer begins
	objects, bytes int64
	remark         int64
}

// file is an [os.File] that is only read.
type file interface {
	io.ReaderAt
	io.Closer
}

// span is where a block lies.
type span struct{ offset, length int64 }

// Open opens the listing at path. An absent one is fs.ErrNotExist; errors are
// ErrDamaged, ErrOther, or those of the disk.
func Open(path string, of Fingerprint) (*Listing, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &Listing{file: file, blocksEnd: info.Size() - trailerBytes}
	if err := l.begin(of); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

func (l *Listing) begin(of Fingerprint) error {
	if l.blocksEnd < headerBytes {
		return fmt.Errorf("%w: it is too short", ErrDamaged)
	}
	var header [headerBytes]byte
	var trailer [trailerBytes]byte
	if err := l.readAt(header[:], 0); err != nil {
		return err
	}
	if err := l.readAt(trailer[:], l.blocksEnd); err != nil {
		return err
	}
	if string(header[:8]) != magic || string(trailer[44:]) != magic {
		return fmt.Errorf("%w: it does not begin or end as one", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint32(header[8:]); v != version {
		return fmt.Errorf("%w: its format is %d, this release reads %d", ErrOther, v, version)
	}
	if checksum(header[:44]) != binary.LittleEndian.Uint32(header[44:]) ||
		checksum(trailer[:40]) != binary.LittleEndian.Uint32(trailer[40:]) {
		return fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	if Fingerprint(header[12:44]) != of {
		return ErrOther
	}
	return l.describe(trailer[:])
}

func (l *Listing) describe(trailer []byte) error {
	var numbers [5]int64
	for i := range numbers {
		if numbers[i] = int64(binary.LittleEndian.Uint64(trailer[8*i:])); numbers[i] < 0 {
			return fmt.Errorf("%w: a negative number", ErrDamaged)
		}
	}
	l.root, l.objects, l.bytes, l.remark = span{numbers[0], numbers[1]}, numbers[2], numbers[3], numbers[4]
	if (l.objects == 0) != (l.root.length == 0) || l.objects == 0 && l.blocksEnd != headerBytes {
		return fmt.Errorf("%w: objects without a block, or blocks without an object", ErrDamaged)
	}
	return nil
}

// Close gives up the descriptor.
func (l *Listing) Close() error { return l.file.Close() }

// Totals returns how many objects are listed, and their bytes.
func (l *Listing) Totals() (objects, bytes int64) { return l.objects, l.bytes }

// Remark returns what [Sorter.Remark] was told, else 0.
func (l *Listing) Remark() int64 { return l.remark }

func (l *Listing) readAt(p []byte, offset int64) error {
	_, err := l.file.ReadAt(p, offset)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	return err
}

// block reads the block at s. Its payload is the caller's.
func (l *Listing) block(s span) (level int, payload []byte, err error) {
	if s.length <= framing || s.length > maxBlock || s.offset < headerBytes || s.offset > l.blocksEnd-s.length {
		return 0, nil, fmt.Errorf("%w: a block lies outside of it", ErrDamaged)
	}
	p := make([]byte, s.length)
	if err := l.readAt(p, s.offset); err != nil {
		return 0, nil, err
	}
	end := len(p) - 4
	if int64(binary.LittleEndian.Uint32(p)) != s.length-framing || checksum(p[:end]) != binary.LittleEndian.Uint32(p[end:]) {
		return 0, nil, fmt.Errorf("%w: wrong checksum of a block", ErrDamaged)
	}
	return int(p[4]), p[5:end], nil
}

// following returns where the block begins that lies at offset, and its level;
// no length at the end of all blocks.
func (l *Listing) following(offset int64) (s span, level int, err error) {
	if offset == l.blocksEnd {
		return span{}, 0, nil
	}
	var head [5]byte
	if offset > l.blocksEnd-framing {
		return span{}, 0, fmt.Errorf("%w: a block lies outside of it", ErrDamaged)
	}
	if err := l.readAt(head[:], offset); err != nil {
		return span{}, 0, err
	}
	return span{offset, int64(binary.LittleEndian.Uint32(head[:])) + framing}, int(head[4]), nil
}

// Find returns, in key order, the first two objects whose key is prefix with
// anything but a slash behind it, and the number of the first; -1 where there
// is none.
func (l *Listing) Find(prefix string) (found []pipeline.Content, first int64, err error) {
	first = -1
	c, err := l.seek(prefix)
	for err == nil && len(found) < 2 {
		var ok bool
		if ok, err = c.advance(); err != nil || !ok || !bytes.HasPrefix(c.entry.key, []byte(prefix)) {
			break
		}
		if slash := bytes.IndexByte(c.entry.key[len(prefix):], '/'); slash >= 0 {
			// Jump over all that lies below: '0' follows the slash.
			c, err = l.seek(string(c.entry.key[:len(prefix)+slash]) + "0")
			continue
		}
		if found = append(found, c.entry.content()); len(found) == 1 {
			first = c.number
		}
	}
	if err != nil {
		return nil, -1, err
	}
	return found, first, nil
}

// Each calls f for every object whose key begins with prefix, in key order, with
// its number from 0.
func (l *Listing) Each(ctx context.Context, prefix string, f func(number int64, c pipeline.Content) error) error {
	c, err := l.seek(prefix)
	if err != nil {
		return err
	}
	for {
		ok, err := c.Next()
		if err != nil || !ok || !bytes.HasPrefix(c.entry.key, []byte(prefix)) {
			return err
		}
		if c.number%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f(c.number, c.Content()); err != nil {
			return err
		}
	}
}
