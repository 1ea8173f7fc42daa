//go:build race || !(amd64 || arm64)

package canon

import "encoding/binary"

type cursor = []byte

func at(b []byte, i int) cursor { return b[i:] }

func byteAt(p cursor, n int) byte      { return p[n] }
func load8(p cursor, n int) uint64     { return binary.LittleEndian.Uint64(p[n:]) }
func store8(p cursor, n int, w uint64) { binary.LittleEndian.PutUint64(p[n:], w) }
func store2(p cursor, w uint16)        { binary.LittleEndian.PutUint16(p, w) }
func storeByte(p cursor, b byte)       { p[0] = b }
