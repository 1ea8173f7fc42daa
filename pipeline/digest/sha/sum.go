package sha

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Size is the length of a digest and of a state, in bytes.
const Size = 32

// BlockSize is what SHA-256 takes at once, in bytes: who resumes a sum brings the
// last size%BlockSize of them.
const BlockSize = 64

var errState = errors.New("not the state of a SHA-256 sum")

// initial is the chaining value before the first block (FIPS 180-4, 5.3.3).
var initial = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

// Sum is a SHA-256 under way. The zero value is that of nothing yet. A copy goes
// on by itself. It is not for use by two goroutines at once.
type Sum struct {
	chain [8]uint32       // after the last whole block; not set before the first write
	rest  [BlockSize]byte // the size%BlockSize bytes behind it
	size  int64
}

var _ io.Writer = (*Sum)(nil)

// Write takes more of the message. It never fails and does not keep p.
func (s *Sum) Write(p []byte) (int, error) {
	blocks(&s.chain, s.fill(p))
	return len(p), nil
}

// Of returns the digest of p.
func Of(p []byte) [Size]byte {
	if !hasNI {
		return sha256.Sum256(p)
	}
	var s Sum
	_, _ = s.Write(p)
	return s.Sum()
}

// WriteBoth is a.Write(p) and b.Write(q), side by side as far as both have whole
// blocks. a and b must not be the same sum; p and q may be the same bytes.
func WriteBoth(a *Sum, p []byte, b *Sum, q []byte) {
	p, q = a.fill(p), b.fill(q)
	n := min(len(p), len(q))
	twoBlocks(&a.chain, &b.chain, p[:n], q[:n])
	blocks(&a.chain, p[n:])
	blocks(&b.chain, q[n:])
}

// fill takes what p has before and behind whole blocks, and returns these. They
// must reach the chaining value before anything else does.
func (s *Sum) fill(p []byte) []byte {
	if s.size == 0 {
		s.chain = initial
	}
	held := int(s.size % BlockSize)
	s.size += int64(len(p))
	if held > 0 {
		n := copy(s.rest[held:], p)
		if p = p[n:]; held+n < BlockSize {
			return nil
		}
		oneBlock(&s.chain, &s.rest)
	}
	n := len(p) &^ (BlockSize - 1)
	copy(s.rest[:], p[n:])
	return p[:n]
}

// Size returns how many bytes were written.
func (s *Sum) Size() int64 {
	return s.size
}

// Sum returns the digest of all that was written. s can go on.
func (s *Sum) Sum() [Size]byte {
	chain, last := s.chain, s.rest
	if s.size == 0 {
		chain = initial
	}
	n := int(s.size % BlockSize)
	last[n] = 0x80
	clear(last[n+1:])
	if n+1 > BlockSize-8 { // no room for the length
		oneBlock(&chain, &last)
		clear(last[:])
	}
	binary.BigEndian.PutUint64(last[BlockSize-8:], uint64(s.size)*8)
	oneBlock(&chain, &last)
	return text(&chain)
}

// State returns the chaining value after the last whole block of 64 bytes, 32
// bytes. It holds none of the message, and tells as much of it as a digest does.
func (s *Sum) State() []byte {
	if s.size == 0 {
		state := text(&initial)
		return state[:]
	}
	state := text(&s.chain)
	return state[:]
}

// Resume returns the sum that had this state when it had taken size bytes. rest
// is the last size%64 of them, those behind the last whole block. It fails if
// these lengths, or the state of a sum without a whole block, are not such.
func Resume(state []byte, size int64, rest []byte) (Sum, error) {
	var s Sum
	switch {
	case len(state) != Size:
		return Sum{}, fmt.Errorf("%w: it has %d bytes, not %d", errState, len(state), Size)
	case size < 0:
		return Sum{}, fmt.Errorf("%w: it is said to be of %d bytes", errState, size)
	case int64(len(rest)) != size%BlockSize:
		return Sum{}, fmt.Errorf("%w: %d bytes behind the last whole block of %d, not %d", errState, len(rest), size, size%BlockSize)
	}
	for i := range s.chain {
		s.chain[i] = binary.BigEndian.Uint32(state[4*i:])
	}
	if size < BlockSize && s.chain != initial {
		return Sum{}, fmt.Errorf("%w: %d bytes do not change it", errState, size)
	}
	copy(s.rest[:], rest)
	s.size = size
	return s, nil
}

func text(chain *[8]uint32) (b [Size]byte) {
	for i, word := range chain {
		binary.BigEndian.PutUint32(b[4*i:], word)
	}
	return b
}
