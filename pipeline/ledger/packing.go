package ledger

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/fhirhose/fhirhose/pipeline"
)

// The sealed form, see docs/ledger.md. Changing any of this changes
// segmentVersion, and with it pipeline.FormatVersion.
const (
	segmentMagic   = "fhledger"
	segmentEnd     = "fhLEDend"
	segmentVersion = 2

	headerSize  = 12 // magic, uint32 version
	trailerSize = 24 // uint64 size, uint32 footer offset, uint32 checksum, end magic

	blockBytes   = 4096                  // a block ends with the entry that reaches this
	blockFrame   = 8                     // uint32 length before, uint32 checksum after
	maxPayload   = blockBytes + maxEntry // no block is longer
	maxEntry     = 256                   // no packed entry is longer
	maxLabels    = 255                   // of the label dictionary
	fanOut       = 256                   // by the leading byte of the sort key
	markSize     = 8                     // uint32 offset, uint32 entries before
	maxSealBytes = math.MaxUint32        // offsets are 32 bits
)

// Bits of the first byte of a packed entry; bits 0-2 are the status.
const (
	bitsStatus = 0x07
	bitSkipped = 0x08 // not written: a reason follows instead of place and digests
	bitSameID  = 0x10 // id as in the entry before, in the same block
	bitUUID    = 0x20
	bitNoTime  = 0x40
	bitForm    = 0x80 // written, with a number form that is not 0
)

// castagnoli is the polynomial of every checksum of the format: CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// unpacker takes fields off the front of a block's payload. A field that is not
// there sets bad and yields zero.
type unpacker struct {
	rest []byte
	bad  bool
}

func (u *unpacker) bytes(n int) []byte {
	if n > len(u.rest) {
		u.bad, u.rest = true, nil
		return nil
	}
	b := u.rest[:n:n]
	u.rest = u.rest[n:]
	return b
}

func (u *unpacker) byte() byte {
	if b := u.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (u *unpacker) uint32() uint32 {
	v, n := binary.Uvarint(u.rest)
	if n <= 0 || v > math.MaxUint32 {
		u.bad, u.rest = true, nil
		return 0
	}
	u.rest = u.rest[n:]
	return uint32(v)
}

func (u *unpacker) fixed32() uint32 {
	if b := u.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (u *unpacker) int64() int64 {
	v, n := binary.Varint(u.rest)
	if n <= 0 {
		u.bad, u.rest = true, nil
		return 0
	}
	u.rest = u.rest[n:]
	return v
}

func (u *unpacker) digest() (d [32]byte) {
	copy(d[:], u.bytes(32))
	return d
}

// unpack reads the entry after the one in e and id, which are those of the
// block's previous entry; first says that there is none. It returns the numbers
// of type and label in the segment's dictionaries, whose names are the caller's
// business; label 0 means that e.Label is set.
func (u *unpacker) unpack(e *Entry, id *[MaxNameBytes]byte, first bool) (typ, label uint32, ok bool) {
	head := u.byte()
	switch {
	case head&bitForm != 0 && head&bitSkipped != 0:
		return 0, 0, false
	case head&bitSameID != 0:
		if first || head&bitUUID != 0 {
			return 0, 0, false
		}
	case head&bitUUID != 0:
		if packed := u.bytes(uuidPacked); packed != nil {
			unpackUUID((*[uuidText]byte)(id[:]), packed)
			e.ID = id[:uuidText]
		}
	default:
		text := u.bytes(int(u.byte()))
		if len(text) == 0 || len(text) > MaxNameBytes {
			return 0, 0, false
		}
		e.ID = id[:copy(id[:], text)]
	}
	typ = u.uint32()
	e.Version = u.uint32()
	e.LastUpdated = UnknownTime
	if head&bitNoTime == 0 {
		e.LastUpdated = u.int64()
	}
	if !u.origin(e, head&bitSameID != 0) {
		return 0, 0, false
	}
	e.Status, e.Reason = pipeline.DocumentStatus(head&bitsStatus), pipeline.NoReason
	if head&bitSkipped != 0 {
		e.Reason = pipeline.Reason(u.byte())
		e.Folder, e.File, e.Line, e.Content, e.Label, e.Form = 0, 0, 0, [32]byte{}, [32]byte{}, 0
		return typ, 0, !u.bad && !e.Written() && storable(e.Status, e.Reason)
	}
	e.Folder, e.File, e.Line = u.uint32(), u.uint32(), u.uint32()
	e.Content = u.digest()
	e.Form = 0
	if head&bitForm != 0 {
		if e.Form = u.fixed32(); e.Form == 0 {
			return 0, 0, false
		}
	}
	if label = u.uint32(); label == 0 {
		e.Label = u.digest()
	}
	return typ, label, !u.bad && storable(e.Status, e.Reason)
}

// origin reads where the record comes from: of an entry with the id of the one
// before, as differences from there. A difference leads to no negative number, nor
// beyond those of 32 bits for objects.
func (u *unpacker) origin(e *Entry, sameID bool) bool {
	object, record := u.int64(), u.int64()
	if sameID {
		object += int64(e.Object)
		record += e.Record
	}
	if object < 0 || object > math.MaxUint32 || record < 0 {
		return false
	}
	e.Object, e.Record = uint32(object), record
	return true
}
