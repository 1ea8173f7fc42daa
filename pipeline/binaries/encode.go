package binaries

import "github.com/segmentio/asm/base64"

// encode writes the base64 of src, padded, to dst, which must have
// encodedLen(len(src)) bytes: vector instructions do not look.
func encode(dst, src []byte) {
	if int64(len(dst)) != encodedLen(int64(len(src))) {
		panic("binaries: no room for base64")
	}
	base64.StdEncoding.Encode(dst, src)
}

// encodedLen is how many bytes n bytes take in base64.
func encodedLen(n int64) int64 { return (n + 2) / 3 * 4 }
