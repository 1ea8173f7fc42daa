package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
)

// File is a sealed segment, readable at any offset. It may open and close what
// lies behind it on every call: a ledger has thousands of segments.
type File interface {
	io.ReaderAt
	Size() int64
}

// Ledger answers questions about a job's sealed segments. It holds about 3 KiB
// per segment. It may be used by many goroutines as far as its Files may.
type Ledger struct {
	segments []segment
	types    [][]byte   // of all segments, ascending: the index is the type's rank
	labels   [][32]byte // of all segments
}

// segment is what stays in memory of one file.
type segment struct {
	file   File
	marks  [fanOut + 1]mark
	ranks  []uint32 // local number of a type to its rank
	labels []uint32 // local number of a label to its index in Ledger.labels
}

// Open reads and checks the footers of a job's segments, in the order in which
// they were sealed. Damage, truncation and a foreign format version are
// KindFatal errors that name the segment by its number in files; errors of a
// File keep their kind. The files stay the caller's to close.
func Open(ctx context.Context, files []File) (*Ledger, error) {
	l := &Ledger{segments: make([]segment, len(files))}
	types, labels := newDictionary[string](), newDictionary[[32]byte]()
	for i, file := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := l.segments[i].open(file, &types, &labels); err != nil {
			return nil, segmentError(i, err)
		}
	}
	l.labels = labels.values
	l.rankTypes(types.values)
	return l, nil
}

// Entries returns how many entries the ledger holds.
func (l *Ledger) Entries() int64 {
	var n int64
	for i := range l.segments {
		n += int64(l.segments[i].marks[fanOut].entries)
	}
	return n
}

// rankTypes turns the numbers in segment.ranks, of the order in which types
// were met, into ranks: numbers that compare as the names do.
func (l *Ledger) rankTypes(met []string) {
	sorted := slices.Sorted(slices.Values(met))
	rank := make([]uint32, len(met))
	for i, name := range met {
		at, _ := slices.BinarySearch(sorted, name)
		rank[i] = uint32(at)
	}
	for i := range l.segments {
		for j, n := range l.segments[i].ranks {
			l.segments[i].ranks[j] = rank[n]
		}
	}
	for _, name := range sorted {
		l.types = append(l.types, []byte(name))
	}
}

func (s *segment) open(file File, types *dictionary[string], labels *dictionary[[32]byte]) error {
	s.file = file
	size := file.Size()
	if size < headerSize+trailerSize || size > maxSealBytes {
		return damaged("size of no ledger segment, or truncated")
	}
	header, trailer := make([]byte, headerSize), make([]byte, trailerSize)
	if err := errors.Join(readFull(file, header, 0), readFull(file, trailer, size-trailerSize)); err != nil {
		return err
	}
	if string(header[:8]) != segmentMagic {
		return damaged("no ledger segment")
	}
	if v := binary.LittleEndian.Uint32(header[8:]); v != segmentVersion {
		return damaged(fmt.Sprintf("format version %d, this build reads %d", v, segmentVersion))
	}
	footerAt := int64(binary.LittleEndian.Uint32(trailer[8:]))
	switch {
	case string(trailer[16:]) != segmentEnd, int64(binary.LittleEndian.Uint64(trailer)) != size:
		return damaged("truncated or overlong")
	case footerAt < headerSize || footerAt > size-trailerSize:
		return damaged("place of the footer")
	}
	footer := make([]byte, size-trailerSize-footerAt)
	if err := readFull(file, footer, footerAt); err != nil {
		return err
	}
	sum := crc32.Checksum(header, castagnoli)
	sum = crc32.Update(sum, castagnoli, footer)
	if crc32.Update(sum, castagnoli, trailer[:12]) != binary.LittleEndian.Uint32(trailer[12:]) {
		return damaged("checksum of the footer")
	}
	return s.parseFooter(footer, uint32(footerAt), types, labels)
}

func (s *segment) parseFooter(footer []byte, footerAt uint32, types *dictionary[string], labels *dictionary[[32]byte]) error {
	u := unpacker{rest: footer}
	for range u.fixed32() {
		name := string(u.bytes(int(u.byte())))
		if u.bad || name == "" || len(name) > MaxNameBytes {
			return damaged("types of the footer")
		}
		n, _ := types.number(name, math.MaxInt)
		s.ranks = append(s.ranks, n)
	}
	for range u.fixed32() {
		label := u.digest()
		if u.bad {
			return damaged("labels of the footer")
		}
		n, _ := labels.number(label, math.MaxInt)
		s.labels = append(s.labels, n)
	}
	for i := range s.marks {
		s.marks[i] = mark{offset: u.fixed32(), entries: u.fixed32()}
	}
	if u.bad || len(u.rest) != 0 || !plausible(&s.marks, footerAt) {
		return damaged("fan-out of the footer")
	}
	return nil
}

// plausible tells whether the marks lead from the header to the footer without
// a step back, with entries exactly where there are bytes.
func plausible(marks *[fanOut + 1]mark, footerAt uint32) bool {
	if marks[0] != (mark{headerSize, 0}) || marks[fanOut].offset != footerAt {
		return false
	}
	for i := range fanOut {
		a, b := marks[i], marks[i+1]
		if b.offset < a.offset || b.entries < a.entries || (a.offset == b.offset) != (a.entries == b.entries) {
			return false
		}
	}
	return true
}

// readFull fills b from offset. A file that ends before is damaged.
func readFull(file File, b []byte, offset int64) error {
	n, err := file.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("shorter than it says")
	}
	return err
}
