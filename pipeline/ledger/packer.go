package ledger

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
)

// mark is one step of the fan-out: where the blocks of a leading byte begin.
type mark struct {
	offset  uint32 // in the file
	entries uint32 // that come before
}

// packer writes sorted rows as blocks, and remembers what the footer needs. An
// error of the writer is kept by the bufio.Writer and returned by finish.
type packer struct {
	w        *bufio.Writer
	offset   uint32 // bytes of the file before the open block
	entries  uint32
	block    []byte // length field and payload of the open block
	previous Row    // last row of the open block; nil in an empty one
	types    dictionary[string]
	labels   dictionary[[32]byte]
	marks    []mark
	checksum uint32 // of header, footer and trailer
}

func newPacker(w io.Writer) *packer {
	p := &packer{
		w:      bufio.NewWriterSize(w, 64<<10),
		block:  make([]byte, blockFrame/2, blockFrame+maxPayload),
		types:  newDictionary[string](),
		labels: newDictionary[[32]byte](),
	}
	header := binary.LittleEndian.AppendUint32([]byte(segmentMagic), segmentVersion)
	p.offset = headerSize
	p.writeChecked(header)
	return p
}

func (p *packer) writeChecked(b []byte) {
	p.checksum = crc32.Update(p.checksum, castagnoli, b)
	_, _ = p.w.Write(b)
}

// add packs the next row in ledger order.
func (p *packer) add(row Row) {
	lead := int(row.key() >> 56)
	if lead >= len(p.marks) {
		p.flushBlock() // a block never spans two leading bytes
		p.markUpTo(lead)
	}
	p.block = p.appendEntry(p.block, row)
	p.previous = row
	p.entries++
	if len(p.block)-blockFrame/2 >= blockBytes {
		p.flushBlock()
	}
}

// markUpTo says that every leading byte up to and including lead that has no
// mark yet begins here.
func (p *packer) markUpTo(lead int) {
	for len(p.marks) <= lead {
		p.marks = append(p.marks, mark{p.offset, p.entries})
	}
}

func (p *packer) flushBlock() {
	if p.previous == nil {
		return
	}
	binary.LittleEndian.PutUint32(p.block, uint32(len(p.block)-blockFrame/2))
	p.block = binary.LittleEndian.AppendUint32(p.block, crc32.Checksum(p.block, castagnoli))
	_, _ = p.w.Write(p.block)
	p.offset += uint32(len(p.block))
	p.block, p.previous = p.block[:blockFrame/2], nil
}

// finish writes footer and trailer and returns the size of the whole.
func (p *packer) finish() (int64, error) {
	p.flushBlock()
	p.markUpTo(fanOut)
	var footer []byte
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(p.types.values)))
	for _, name := range p.types.values {
		footer = append(append(footer, byte(len(name))), name...)
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(p.labels.values)))
	for _, label := range p.labels.values {
		footer = append(footer, label[:]...)
	}
	for _, m := range p.marks {
		footer = binary.LittleEndian.AppendUint32(footer, m.offset)
		footer = binary.LittleEndian.AppendUint32(footer, m.entries)
	}
	size := uint64(p.offset) + uint64(len(footer)) + trailerSize
	footer = binary.LittleEndian.AppendUint64(footer, size)
	footer = binary.LittleEndian.AppendUint32(footer, p.offset)
	p.writeChecked(footer)
	_, _ = p.w.Write(binary.LittleEndian.AppendUint32(nil, p.checksum))
	_, _ = p.w.WriteString(segmentEnd)
	return int64(size), p.w.Flush()
}

// dictionary numbers values in order of their first appearance.
type dictionary[T comparable] struct {
	index  map[T]uint32
	values []T
}

func newDictionary[T comparable]() dictionary[T] {
	return dictionary[T]{index: map[T]uint32{}}
}

// number returns v's number from 0. ok is false for an unknown v when limit
// values are known already.
func (d *dictionary[T]) number(v T, limit int) (n uint32, ok bool) {
	if n, ok = d.index[v]; ok {
		return n, true
	}
	if len(d.values) >= limit {
		return 0, false
	}
	n = uint32(len(d.values))
	d.index[v] = n
	d.values = append(d.values, v)
	return n, true
}

// appendEntry packs one row behind the one before it in the same block.
func (p *packer) appendEntry(dst []byte, row Row) []byte {
	head := row[rowStatus]
	switch {
	case !row.Written():
		head |= bitSkipped
	case row.form() != 0:
		head |= bitForm
	}
	same := p.previous != nil && sameID(p.previous, row)
	switch {
	case same:
		head |= bitSameID
	case row.isUUID():
		head |= bitUUID
	}
	if row.lastUpdated() == UnknownTime {
		head |= bitNoTime
	}
	dst = append(dst, head)
	if !same {
		if !row.isUUID() {
			dst = append(dst, row[rowIDLen])
		}
		dst = append(dst, row.storedID()...)
	}
	dst = binary.AppendUvarint(dst, uint64(p.typeNumber(row.Type())))
	dst = binary.AppendUvarint(dst, uint64(row.Version()))
	if t := row.lastUpdated(); t != UnknownTime {
		dst = binary.AppendVarint(dst, t)
	}
	object, record := int64(row.object()), row.record()
	if same { // a table exports the versions of an id side by side
		object -= int64(p.previous.object())
		record -= p.previous.record()
	}
	dst = binary.AppendVarint(binary.AppendVarint(dst, object), record)
	if !row.Written() {
		return append(dst, row[rowReason])
	}
	for at := rowFolder; at <= rowLine; at += 4 {
		dst = binary.AppendUvarint(dst, uint64(binary.LittleEndian.Uint32(row[at:])))
	}
	dst = append(dst, row[rowContent:rowContent+32]...)
	if head&bitForm != 0 {
		dst = append(dst, row[rowForm:rowForm+4]...)
	}
	label := [32]byte(row[rowLabel:])
	n, known := p.labels.number(label, maxLabels)
	if known {
		return binary.AppendUvarint(dst, uint64(n)+1)
	}
	return append(append(dst, 0), label[:]...)
}

// typeNumber returns the number of a type in the dictionary. The look-up with a
// converted key does not allocate.
func (p *packer) typeNumber(name []byte) uint32 {
	if n, ok := p.types.index[string(name)]; ok {
		return n
	}
	n, _ := p.types.number(string(name), math.MaxInt)
	return n
}
