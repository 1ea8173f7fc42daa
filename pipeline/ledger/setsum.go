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

// Add adds a resource by the content digest of its last version: the SHA-256 of
// type, "/", id and the 32 bytes of the digest, as a big-endian number.
func (s *SetSum) Add(typ, id []byte, content *[32]byte) {
	var buf [2*MaxNameBytes + 1 + 32]byte
	b := append(append(append(append(buf[:0], typ...), '/'), id...), content[:]...)
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

// Hex returns the sum as 64 lower-case hex digits, most significant first.
func (s SetSum) Hex() string {
	var b [32]byte
	for i, w := range s.words {
		binary.BigEndian.PutUint64(b[24-8*i:], w)
	}
	return hex.EncodeToString(b[:])
}
