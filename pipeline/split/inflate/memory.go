package inflate

import (
	"encoding/binary"
	"unsafe"
)

// The only unsafe code of the package: loads and stores of the fast loop without
// checks of their bounds, which cost 18 % more processor time. The loop's own conditions are what
// keeps them within: see roundInput and fastOutput.

func address(b []byte, i int) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i) //nolint:gosec // said above
}

func load64(b []byte, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(address(b, i))[:])
}

func store64(b []byte, i int, v uint64) {
	binary.LittleEndian.PutUint64((*[8]byte)(address(b, i))[:], v)
}

func store8(b []byte, i int, v byte) { *(*byte)(address(b, i)) = v }

// copy8 copies 8 bytes forward by at least 8.
func copy8(b []byte, to, from int) { store64(b, to, load64(b, from)) }

// copy32 copies 32 bytes forward by at least 16.
func copy32(b []byte, to, from int) {
	*(*[16]byte)(address(b, to)) = *(*[16]byte)(address(b, from))
	*(*[16]byte)(address(b, to+16)) = *(*[16]byte)(address(b, from+16))
}
