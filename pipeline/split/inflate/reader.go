package inflate

import (
	"hash/crc32"
	"io"
)

// windowBytes is how far back a match may reach.
const windowBytes = 32 << 10

// Reader decompresses one source at a time. The zero value is ready for Reset; it
// is used by one goroutine at a time.
type Reader struct {
	input
	step  step
	final bool  // the block in progress is its member's last
	err   error // sticky

	// Where output goes. Of the caller's buffer, out[base:at] is what the
	// member in progress has written since the last Keep.
	out      []byte
	at, base int

	window [windowBytes]byte
	kept   int // bytes of the member, at the window's end, that Keep has saved

	stored        int // bytes left of a stored block
	length        int // bytes left of a match that the output had no room for
	distance      int
	fixed         bool // literals and distances hold the fixed codes
	literals      literalTable
	distances     distanceTable
	lengths       [literalSymbols + distanceSymbols]uint8
	members       int
	checked, size uint32 // CRC-32 and length of the member so far
}

// step is what the reader does next.
type step uint8

const (
	stepMember step = iota
	stepBlock
	stepStored
	stepHuffman
	stepTrailer
)

// Reset makes r read another source with the same buffers.
func (r *Reader) Reset(source io.Reader) {
	r.reset(source)
	r.step, r.err = stepMember, nil
	r.out, r.at, r.base, r.kept, r.length = nil, 0, 0, 0, 0
	r.members = 0
}

// Members returns how many members have begun.
func (r *Reader) Members() int { return r.members }

// Read is that of an [io.Reader], for whom p is a buffer like any other. It
// returns bytes or an error, never both.
func (r *Reader) Read(p []byte) (int, error) {
	r.Keep()
	n, err := r.Fill(p, 0)
	r.Keep()
	return n, err
}

// Fill writes bytes to p[from:] and returns how many, or an error; never both. It
// writes as many as is fast, not always all that p has room for, and may leave
// anything in the rest of p.
//
// p[:from] must end with what Fill has written since the last Keep: Fill copies
// from there. It panics if p[:from] is too short for that.
//
// The error is io.EOF behind the last member. A defect is io.ErrUnexpectedEOF,
// gzip.ErrHeader, gzip.ErrChecksum or a flate.CorruptInputError of the standard
// library. An error of the source is returned as it is.
func (r *Reader) Fill(p []byte, from int) (int, error) {
	r.base += from - r.at
	r.out, r.at = p, from
	if r.base < 0 {
		panic("inflate: Fill into another buffer without Keep")
	}
	for r.at == from && len(p) > from && r.err == nil {
		r.err = r.next()
	}
	n := r.at - from
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// Keep saves what later matches may need. The caller calls it before it changes
// or hands on the bytes that Fill has written; then the next Fill may go to any
// place.
func (r *Reader) Keep() {
	fresh := r.out[r.base:r.at]
	if len(fresh) > windowBytes {
		fresh = fresh[len(fresh)-windowBytes:]
	}
	copy(r.window[:], r.window[len(fresh):])
	copy(r.window[windowBytes-len(fresh):], fresh)
	r.kept = min(r.kept+len(fresh), windowBytes)
	r.out, r.base = nil, 0
	r.at = 0
}

// next takes one step. It returns after any that may have written bytes.
func (r *Reader) next() error {
	from := r.at
	var err error
	switch r.step {
	case stepMember:
		return r.member()
	case stepBlock:
		return r.block()
	case stepStored:
		err = r.copyStored()
	case stepHuffman:
		err = r.huffman()
	case stepTrailer:
		return r.trailer()
	}
	fresh := r.out[from:r.at]
	r.checked = crc32.Update(r.checked, crc32.IEEETable, fresh)
	r.size += uint32(len(fresh))
	return err
}
