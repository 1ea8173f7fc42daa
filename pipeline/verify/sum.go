package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Sum is the fold of a set of resources by one of their digests: that of
// [ledger.SetSum], in a form that can be stored. Two sets are equal if their
// Sums are (==).
type Sum struct {
	Count uint64
	words [4]uint64 // mod 2^256, least significant word first
}

// Hex returns the sum as 64 lower-case hex digits, most significant first.
func (s Sum) Hex() string {
	b := s.appendTo(make([]byte, 0, sumSize))
	return hex.EncodeToString(b[8:])
}

// add adds the resource with this name, which ends with room for a digest: its
// type, "/" and its id.
func (s *Sum) add(name []byte, digest *[32]byte) {
	hash := sha256.Sum256(append(name, digest[:]...))
	s.Count++
	var carry uint64
	for i := range s.words {
		s.words[i], carry = bits.Add64(s.words[i], binary.BigEndian.Uint64(hash[24-8*i:]), carry)
	}
}

func (s *Sum) merge(t Sum) {
	s.Count += t.Count
	var carry uint64
	for i := range s.words {
		s.words[i], carry = bits.Add64(s.words[i], t.words[i], carry)
	}
}

// sumSize is the stored size of a Sum: count, then the sum, big-endian.
const sumSize = 8 + 32

func (s *Sum) appendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, s.Count)
	for i := len(s.words) - 1; i >= 0; i-- {
		dst = binary.BigEndian.AppendUint64(dst, s.words[i])
	}
	return dst
}

func sumOf(b []byte) (s Sum) {
	s.Count = binary.BigEndian.Uint64(b)
	for i := range s.words {
		s.words[i] = binary.BigEndian.Uint64(b[32-8*i:])
	}
	return s
}

// nameBuffer has room for what Sum.add hashes.
type nameBuffer [2*ledger.MaxNameBytes + 1 + 32]byte

func (b *nameBuffer) name(typ, id []byte) []byte {
	return append(append(append(b[:0], typ...), '/'), id...)
}

// leads is how many hash ranges there are: one per leading byte of SHA-256(id).
const leads = 256

// cell sums up the resources of one type in one hash range.
type cell struct {
	content, label Sum
}

func (c *cell) merge(d *cell) {
	c.content.merge(d.content)
	c.label.merge(d.label)
}

// cells are the cells of one type.
type cells [leads]cell
