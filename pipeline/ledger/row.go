package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/fhirhose/fhirhose/pipeline"
)

// The open form of an entry; integers are little-endian. Two digests of 32
// bytes and the number form follow the head of a written record; then type and id.
const (
	rowSize        = 0  // uint16, of the whole row
	rowStatus      = 2  // uint8
	rowReason      = 3  // uint8
	rowTypeLen     = 4  // uint8
	rowIDLen       = 5  // uint8; 0: a UUID in 16 bytes
	rowKey         = 6  // uint64, the sort key
	rowVersion     = 14 // uint32
	rowLastUpdated = 18 // int64
	rowObject      = 26 // uint32 } where it comes from
	rowRecord      = 30 // uint64 }
	rowFolder      = 38 // uint32 }
	rowFile        = 42 // uint32 } the place
	rowLine        = 46 // uint32 }
	rowHead        = 50
	rowContent     = rowHead
	rowLabel       = rowHead + 32
	rowForm        = rowHead + 64 // uint32
	rowDigests     = 68
)

// Row is the open form of one entry. The bytes belong to the chunk that it was
// read from.
type Row []byte

// AppendRow appends the row of e to dst, without a place (e.Folder, e.File and
// e.Line are ignored: see [Row.SetPlace]). It does not allocate beyond dst. It
// panics on an entry that no record can have: a type or id that is empty or
// longer than MaxNameBytes, a record number below 0, or a status or reason without
// identity.
func AppendRow(dst []byte, e *Entry) []byte {
	if len(e.Type) == 0 || len(e.Type) > MaxNameBytes || len(e.ID) == 0 || len(e.ID) > MaxNameBytes ||
		e.Record < 0 || !storable(e.Status, e.Reason) {
		panic("ledger: entry without identity")
	}
	idLen, id := len(e.ID), e.ID
	packed, isUUID := packUUID(e.ID)
	if isUUID {
		idLen, id = 0, packed[:]
	}
	var head [rowHead]byte
	head[rowStatus] = byte(e.Status)
	head[rowReason] = byte(e.Reason)
	head[rowTypeLen] = byte(len(e.Type))
	head[rowIDLen] = byte(idLen)
	binary.LittleEndian.PutUint64(head[rowKey:], sortKey(e.ID))
	binary.LittleEndian.PutUint32(head[rowVersion:], e.Version)
	binary.LittleEndian.PutUint64(head[rowLastUpdated:], uint64(e.LastUpdated))
	binary.LittleEndian.PutUint32(head[rowObject:], e.Object)
	binary.LittleEndian.PutUint64(head[rowRecord:], uint64(e.Record))
	size := rowHead + len(e.Type) + len(id)
	if e.Written() {
		size += rowDigests
	}
	binary.LittleEndian.PutUint16(head[rowSize:], uint16(size))

	dst = append(dst, head[:]...)
	if e.Written() {
		dst = append(dst, e.Content[:]...)
		dst = append(dst, e.Label[:]...)
		dst = binary.LittleEndian.AppendUint32(dst, e.Form)
	}
	dst = append(dst, e.Type...)
	return append(dst, id...)
}

// SetPlace fills in where the record was written, see [Entry].
func (r Row) SetPlace(folder, file, line uint32) {
	binary.LittleEndian.PutUint32(r[rowFolder:], folder)
	binary.LittleEndian.PutUint32(r[rowFile:], file)
	binary.LittleEndian.PutUint32(r[rowLine:], line)
}

// Written tells whether the record is to be written, and so needs a place.
func (r Row) Written() bool { return r[rowReason] == byte(pipeline.NoReason) }

// Version returns the record's version number.
func (r Row) Version() uint32 { return binary.LittleEndian.Uint32(r[rowVersion:]) }

// Type returns the record's resource type.
func (r Row) Type() []byte { return r[r.names() : r.names()+int(r[rowTypeLen])] }

// Entry returns what the row says.
func (r Row) Entry() Entry {
	e := Entry{
		Type:        r.Type(),
		Version:     r.Version(),
		LastUpdated: r.lastUpdated(),
		Status:      pipeline.DocumentStatus(r[rowStatus]),
		Reason:      pipeline.Reason(r[rowReason]),
		Object:      r.object(),
		Record:      r.record(),
		Folder:      binary.LittleEndian.Uint32(r[rowFolder:]),
		File:        binary.LittleEndian.Uint32(r[rowFile:]),
		Line:        binary.LittleEndian.Uint32(r[rowLine:]),
	}
	if e.Written() {
		e.Content, e.Label, e.Form = [32]byte(r[rowContent:]), [32]byte(r[rowLabel:]), r.form()
	}
	var text [MaxNameBytes]byte
	e.ID = append([]byte(nil), r.idText(&text)...)
	return e
}

func (r Row) key() uint64        { return binary.LittleEndian.Uint64(r[rowKey:]) }
func (r Row) lastUpdated() int64 { return int64(binary.LittleEndian.Uint64(r[rowLastUpdated:])) }
func (r Row) isUUID() bool       { return r[rowIDLen] == 0 }
func (r Row) object() uint32     { return binary.LittleEndian.Uint32(r[rowObject:]) }
func (r Row) record() int64      { return int64(binary.LittleEndian.Uint64(r[rowRecord:])) }

// form returns the number form of a written record.
func (r Row) form() uint32 { return binary.LittleEndian.Uint32(r[rowForm:]) }

// names returns where type and id begin.
func (r Row) names() int {
	if r.Written() {
		return rowHead + rowDigests
	}
	return rowHead
}

// storedID returns the id as the row holds it: 16 bytes of a UUID, or text.
func (r Row) storedID() []byte { return r[r.names()+int(r[rowTypeLen]):] }

// idText returns the id's text, for which it may use buf.
func (r Row) idText(buf *[MaxNameBytes]byte) []byte {
	if !r.isUUID() {
		return r.storedID()
	}
	unpackUUID((*[uuidText]byte)(buf[:]), r.storedID())
	return buf[:uuidText]
}

// Rows walks the rows of a chunk, in the manner of bufio.Scanner.
type Rows struct {
	rest []byte
	row  Row
	err  error
}

// NewRows returns an iterator over the rows that chunk is made of.
func NewRows(chunk []byte) *Rows { return &Rows{rest: chunk} }

// Next goes to the next row. It returns false at the end of the chunk and at a
// row that is damaged: see Err.
func (r *Rows) Next() bool {
	if len(r.rest) == 0 || r.err != nil {
		return false
	}
	size, err := checkRow(r.rest)
	if err != nil {
		r.err = &pipeline.Error{Op: "read open ledger segment", Kind: pipeline.KindFatal, Err: err, Hint: hintDamaged}
		return false
	}
	r.row, r.rest = Row(r.rest[:size:size]), r.rest[size:]
	return true
}

// Row returns the current row, a part of the chunk.
func (r *Rows) Row() Row { return r.row }

// Err returns what stopped Next before the end of the chunk: a KindFatal error.
func (r *Rows) Err() error { return r.err }

// checkRow returns the size of the row at the beginning of b.
func checkRow(b []byte) (int, error) {
	if len(b) < rowHead {
		return 0, fmt.Errorf("%w: row cut off", errDamaged)
	}
	r := Row(b)
	size := int(binary.LittleEndian.Uint16(b[rowSize:]))
	typeLen, idLen := int(r[rowTypeLen]), int(r[rowIDLen])
	stored := idLen
	if r.isUUID() {
		stored = uuidPacked
	}
	switch {
	case size != r.names()+typeLen+stored || typeLen == 0 || typeLen > MaxNameBytes || idLen > MaxNameBytes:
		return 0, fmt.Errorf("%w: row size", errDamaged)
	case size > len(b):
		return 0, fmt.Errorf("%w: row cut off", errDamaged)
	case !storable(pipeline.DocumentStatus(r[rowStatus]), pipeline.Reason(r[rowReason])):
		return 0, fmt.Errorf("%w: row status or reason", errDamaged)
	case r.record() < 0:
		return 0, fmt.Errorf("%w: row record number", errDamaged)
	}
	if idLen == uuidText {
		if _, ok := packUUID(r[size-idLen : size]); ok {
			return 0, fmt.Errorf("%w: row id form", errDamaged)
		}
	}
	return size, nil
}
