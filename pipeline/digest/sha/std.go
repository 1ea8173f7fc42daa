package sha

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"sync"
)

// The road through crypto/sha256, which has instructions for the job on most
// processors: it is given the chaining value and whole blocks. Its state, as
// marshalled, is "sha\x03", the eight words of the chaining value, a block of
// which the first length%64 bytes count, and the length in bytes: big-endian. Go
// has kept that since 1.10, and TestStdState holds it to it.
const (
	stdMagic = "sha\x03"
	stdState = len(stdMagic) + Size + BlockSize + 8
)

// std is a hash of crypto/sha256 and room for what goes through its interfaces,
// so that callers' variables stay on their stacks.
type std struct {
	hash  stdHash
	state [stdState]byte // as given: zeros behind the chaining value, for no rest and no length
	one   [BlockSize]byte
}

type stdHash interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

var stds = sync.Pool{New: func() any {
	s := &std{hash: sha256.New().(stdHash)}
	copy(s.state[:], stdMagic)
	return s
}}

func stdBlocks(chain *[8]uint32, p []byte) {
	if len(p) == 0 {
		return
	}
	s := stds.Get().(*std)
	s.blocks(chain, p)
	stds.Put(s)
}

func stdOneBlock(chain *[8]uint32, p *[BlockSize]byte) {
	s := stds.Get().(*std)
	s.one = *p
	s.blocks(chain, s.one[:])
	stds.Put(s)
}

func (s *std) blocks(chain *[8]uint32, p []byte) {
	words := s.state[len(stdMagic):][:Size]
	for i, word := range chain {
		binary.BigEndian.PutUint32(words[4*i:], word)
	}
	clear(s.state[len(stdMagic)+Size:])
	if err := s.hash.UnmarshalBinary(s.state[:]); err != nil {
		panic("crypto/sha256 does not take the state that it gave: " + err.Error())
	}
	_, _ = s.hash.Write(p) // "It never returns an error"
	if _, err := s.hash.AppendBinary(s.state[:0]); err != nil {
		panic("crypto/sha256 does not give its state: " + err.Error())
	}
	for i := range chain {
		chain[i] = binary.BigEndian.Uint32(words[4*i:])
	}
}
