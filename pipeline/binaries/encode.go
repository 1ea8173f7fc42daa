package binaries

import (
	"encoding/base64"
	"encoding/binary"
)

// alphabet is that of RFC 4648, section 4.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// pairs holds for each 12 bits their two characters, the first one low.
var pairs = func() *[1 << 12]uint16 {
	var t [1 << 12]uint16
	for bits := range t {
		t[bits] = uint16(alphabet[bits>>6]) | uint16(alphabet[bits&63])<<8
	}
	return &t
}()

// encode writes the base64 of src, padded, to dst, which has encodedLen(len(src))
// bytes. It is encoding/base64 by twelve bits at a time instead of six.
func encode(dst, src []byte) {
	for len(src) >= 8 && len(dst) >= 8 { // 8 are read, 6 are used
		bits := binary.BigEndian.Uint64(src)
		binary.LittleEndian.PutUint64(dst, uint64(pairs[bits>>52])|
			uint64(pairs[bits>>40&0xfff])<<16|
			uint64(pairs[bits>>28&0xfff])<<32|
			uint64(pairs[bits>>16&0xfff])<<48)
		src, dst = src[6:], dst[8:]
	}
	base64.StdEncoding.Encode(dst, src)
}

// encodedLen is how many bytes n bytes take in base64.
func encodedLen(n int64) int64 { return (n + 2) / 3 * 4 }
