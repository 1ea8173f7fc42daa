package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

const (
	uuidText   = 36
	uuidPacked = 16
)

// sortKey orders a ledger: the first 8 bytes of SHA-256(id), big-endian. Ids
// that share it are ordered by their text.
func sortKey(id []byte) uint64 {
	sum := sha256.Sum256(id)
	return binary.BigEndian.Uint64(sum[:8])
}

// hexValue maps '0'-'9' and 'a'-'f' to 0..15, and every other byte to 0xff:
// upper case is not in UUID form, because unpacking could not restore it.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for v, c := range []byte("0123456789abcdef") {
		t[c] = byte(v)
	}
	return t
}()

// uuidGroups are the bounds of the five hex groups 8-4-4-4-12.
var uuidGroups = [5][2]int{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}}

// packUUID returns the 16 bytes of an id in UUID form: lower-case hex
// 8-4-4-4-12.
func packUUID(id []byte) (packed [uuidPacked]byte, ok bool) {
	if len(id) != uuidText || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return packed, false
	}
	n := 0
	for _, g := range uuidGroups {
		for i := g[0]; i < g[1]; i += 2 {
			high, low := hexValue[id[i]], hexValue[id[i+1]]
			if high|low > 0xf {
				return packed, false
			}
			packed[n] = high<<4 | low
			n++
		}
	}
	return packed, true
}

// unpackUUID writes the text of a packed UUID into dst.
func unpackUUID(dst *[uuidText]byte, packed []byte) {
	hex.Encode(dst[0:8], packed[0:4])
	dst[8] = '-'
	hex.Encode(dst[9:13], packed[4:6])
	dst[13] = '-'
	hex.Encode(dst[14:18], packed[6:8])
	dst[18] = '-'
	hex.Encode(dst[19:23], packed[8:10])
	dst[23] = '-'
	hex.Encode(dst[24:36], packed[10:16])
}
