package inflate

import (
	"compress/gzip"
	"hash/crc32"
)

// Flags of a member's header, RFC 1952 section 2.3.1. FTEXT changes nothing;
// what the reserved ones would change cannot be known.
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagsReserved = 7 << 5
)

// longestName is that of compress/gzip: a name or comment with its final zero.
const longestName = 512

// member begins a member, or returns io.EOF where none does.
func (r *Reader) member() error {
	if r.pos == len(r.in) {
		if r.more(1); len(r.in) == 0 {
			return r.failed
		}
	}
	if err := r.header(); err != nil {
		return err
	}
	// No match reaches into the member before.
	r.base, r.kept = r.at, 0
	r.checked, r.size = 0, 0
	r.members++
	r.step = stepBlock
	return nil
}

func (r *Reader) header() error {
	sum := summed{input: &r.input}
	var fixed [10]byte
	for i := range fixed {
		fixed[i] = sum.byte()
	}
	if sum.err == nil && (fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8) {
		return gzip.ErrHeader
	}
	flags := fixed[3]
	if flags&flagExtra != 0 {
		length := int(sum.byte()) | int(sum.byte())<<8
		for ; length > 0 && sum.err == nil; length-- {
			sum.byte()
		}
	}
	if flags&flagName != 0 {
		sum.name()
	}
	if flags&flagComment != 0 {
		sum.name()
	}
	if want := uint16(sum.sum); flags&flagHeaderCRC != 0 {
		got := uint16(sum.byte()) | uint16(sum.byte())<<8
		if sum.err == nil && got != want {
			return gzip.ErrHeader
		}
	}
	if sum.err == nil && flags&flagsReserved != 0 {
		return gzip.ErrHeader
	}
	return sum.err
}

// summed takes bytes and sums them until its first error.
type summed struct {
	*input
	sum uint32
	err error
}

func (s *summed) byte() byte {
	if s.err != nil {
		return 0
	}
	var b byte
	b, s.err = s.input.byte()
	sum := ^s.sum
	s.sum = ^(crc32.IEEETable[byte(sum)^b] ^ sum>>8)
	return b
}

func (s *summed) name() {
	for range longestName {
		if s.byte() == 0 {
			return
		}
	}
	s.err = gzip.ErrHeader
}

// trailer ends the member.
func (r *Reader) trailer() error {
	r.bits, r.count = 0, 0
	var fields [2]uint32
	for i := range fields {
		for shift := 0; shift < 32; shift += 8 {
			b, err := r.byte()
			if err != nil {
				return err
			}
			fields[i] |= uint32(b) << shift
		}
	}
	if fields[0] != r.checked || fields[1] != r.size {
		return gzip.ErrChecksum
	}
	r.step = stepMember
	return nil
}
