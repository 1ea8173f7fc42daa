package inflate

import "encoding/binary"

func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

func store64(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[i:], v) }

func copy8(b []byte, to, from int) { store64(b, to, load64(b, from)) }

func copy16(b []byte, to, from int) {
	*(*[16]byte)(b[to:]) = *(*[16]byte)(b[from:])
}
