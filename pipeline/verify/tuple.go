package verify

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
)

// key stands for an id: the first 16 bytes of its SHA-256. The high word is the
// ledger's sort key, so tuples and ledger entries come in the same order.
type key struct{ high, low uint64 }

func keyOf(id []byte) key {
	sum := sha256.Sum256(id)
	return key{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
}

// lead is the hash range of the key.
func (k key) lead() int { return int(k.high >> 56) }

// What else a tuple says of its line.
const (
	flagBare       = 1 << iota // a second tuple of a line: its sums without the target's marks
	flagGenerated              // the line bears a tag of the target
	flagUnreadable             // the line could not be read, but it says whose it is
	flagAnonymous              // the line could not be read, and its key is zero
)

// tuple is what is kept of an exported line. Its type is a number in the list of
// its run.
type tuple struct {
	key     key
	content [32]byte
	label   [32]byte
	updated int64
	object  uint32
	line    uint32
	typ     uint16
	flags   uint8
	reason  uint8 // pipeline.Reason of a line that could not be read
	form    uint32
}

// tupleSize is the stored size of a tuple, a CRC-32C of the rest at its end.
const tupleSize = tupleBody + 4

const tupleBody = 104

func (t *tuple) appendTo(dst []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, t.key.high)
	dst = binary.BigEndian.AppendUint64(dst, t.key.low)
	dst = append(dst, t.content[:]...)
	dst = append(dst, t.label[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(t.updated))
	dst = binary.LittleEndian.AppendUint32(dst, t.object)
	dst = binary.LittleEndian.AppendUint32(dst, t.line)
	dst = binary.LittleEndian.AppendUint16(dst, t.typ)
	dst = append(dst, t.flags, t.reason)
	dst = binary.LittleEndian.AppendUint32(dst, t.form)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// decode reads what appendTo wrote; ok is false if it is something else.
func (t *tuple) decode(b []byte) (ok bool) {
	_ = b[tupleSize-1]
	t.key = key{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
	t.content, t.label = [32]byte(b[16:48]), [32]byte(b[48:80])
	t.updated = int64(binary.LittleEndian.Uint64(b[80:]))
	t.object = binary.LittleEndian.Uint32(b[88:])
	t.line = binary.LittleEndian.Uint32(b[92:])
	t.typ = binary.LittleEndian.Uint16(b[96:])
	t.flags, t.reason = b[98], b[99]
	t.form = binary.LittleEndian.Uint32(b[100:])
	return crc32.Checksum(b[:tupleBody], castagnoli) == binary.LittleEndian.Uint32(b[tupleBody:])
}

// compare orders tuples by id, then by the place of their line.
func (t *tuple) compare(u *tuple) int {
	if t.key.high != u.key.high {
		return cmp.Compare(t.key.high, u.key.high)
	}
	return cmp.Or(cmp.Compare(t.key.low, u.key.low), cmp.Compare(t.object, u.object), cmp.Compare(t.line, u.line))
}
