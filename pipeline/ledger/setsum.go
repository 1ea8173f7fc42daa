package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// SetSum is the fold of a set of resources: two systems hold the same set if
// their SetSums are equal (==). The order of Adds does not matter.
type SetSum struct {
	Count uint64    // resources
	words [4]uint64 // the sum mod 2^256, least significant word first
}

// Add adds a resource by a digest of its last version, that of its content unless
// its user says otherwise: the SHA-256 of type, "/", id and the 32 bytes of the
// digest, as a big-endian number.
func (s *SetSum) Add(typ, id []byte, digest *[32]byte) {
	var buf [2*MaxNameBytes + 1 + 32]byte
	b := append(append(append(append(buf[:0], typ...), '/'), id...), digest[:]...)
	hash := sha256.Sum256(b)
	var t SetSum
	t.Count = 1
	for i := range t.words {
		t.words[i] = binary.BigEndian.Uint64(hash[24-8*i:])
	}
	s.Merge(t)
}

// Merge adds all of t, a fold of other resources.
func (s *SetSum) Merge(t SetSum) {
	s.Count += t.Count
	var carry uint64
	for i := range s.words {
		s.words[i], carry = bits.Add64(s.words[i], t.words[i], carry)
	}
}

// SetSumBytes is the stored size of a SetSum.
const SetSumBytes = 8 + 32

// Append appends the sum's stored form to dst: count, then the sum, big-endian.
func (s SetSum) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, s.Count)
	for i := len(s.words) - 1; i >= 0; i-- {
		dst = binary.BigEndian.AppendUint64(dst, s.words[i])
	}
	return dst
}

// SetSumOf reads what Append wrote. b must have SetSumBytes.
func SetSumOf(b []byte) (s SetSum) {
	s.Count = binary.BigEndian.Uint64(b)
	for i := range s.words {
		s.words[i] = binary.BigEndian.Uint64(b[32-8*i:])
	}
	return s
}

// Hex returns the sum as 64 lower-case hex digits, most significant first.
func (s SetSum) Hex() string {
	return hex.EncodeToString(s.Append(nil)[8:])
}
