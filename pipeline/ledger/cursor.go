package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc32"
)

// minBuffer is the least that a cursor can work with: one block and its frame.
const minBuffer = maxPayload + blockFrame

// cursor walks the entries of one segment in ledger order, from the blocks of
// one leading byte to those of another. It reads a buffer at a time, checks each
// block before use, and refuses entries out of order.
type cursor struct {
	ledger *Ledger
	seg    *segment
	place  int // of the segment in the ledger

	next, end int64  // bytes of the file that are still to be read
	buf       []byte // at least minBuffer
	have      []byte // part of buf that is read and not yet used
	block     unpacker
	first     bool   // the block's first entry is next
	number    uint32 // of the next entry, in the segment
	last      uint32 // number of the entry after the range

	// The current entry; its ID lies in ids[current].
	entry   Entry
	key     uint64
	rank    uint32 // of the type
	ids     [2][MaxNameBytes]byte
	current int
	started bool
}

// init places the cursor before the first entry whose leading byte is from; it
// ends before the first whose leading byte is to.
func (c *cursor) init(l *Ledger, place, from, to int, buf []byte) {
	seg := &l.segments[place]
	c.ledger, c.seg, c.place, c.buf = l, seg, place, buf
	c.next, c.end = int64(seg.marks[from].offset), int64(seg.marks[to].offset)
	c.number, c.last = seg.marks[from].entries, seg.marks[to].entries
}

// advance goes to the next entry. It returns false after the last.
func (c *cursor) advance() (bool, error) {
	if len(c.block.rest) == 0 {
		if more, err := c.nextBlock(); !more || err != nil {
			return false, err
		}
	}
	id, key, rank, version := c.entry.ID, c.key, c.rank, c.entry.Version
	c.current = 1 - c.current
	spare := &c.ids[c.current]
	typ, label, ok := c.block.unpack(&c.entry, spare, c.first)
	if !ok || int(typ) >= len(c.seg.ranks) || int(label) > len(c.seg.labels) {
		return false, damaged("an entry")
	}
	c.first = false
	c.rank = c.seg.ranks[typ]
	c.entry.Type = c.ledger.types[c.rank]
	if label > 0 {
		c.entry.Label = c.ledger.labels[c.seg.labels[label-1]]
	}
	if &c.entry.ID[0] != &spare[0] { // the same id as before
		c.current = 1 - c.current
	} else {
		c.key = sortKey(c.entry.ID)
	}
	if lead := c.key >> 56; c.number < c.seg.marks[lead].entries || c.number >= c.seg.marks[lead+1].entries {
		return false, damaged("an entry where the fan-out does not lead")
	}
	c.number++
	if c.started && cmp.Or(cmp.Compare(key, c.key), bytes.Compare(id, c.entry.ID),
		cmp.Compare(rank, c.rank), cmp.Compare(version, c.entry.Version)) > 0 {
		return false, damaged("entries out of order")
	}
	c.started = true
	return true, nil
}

// nextBlock checks the next block and makes it current.
func (c *cursor) nextBlock() (bool, error) {
	if len(c.have) == 0 && c.next == c.end {
		if c.number != c.last {
			return false, damaged("fewer entries than promised")
		}
		return false, nil
	}
	if len(c.have) < minBuffer && c.next < c.end {
		if err := c.fill(); err != nil {
			return false, err
		}
	}
	if len(c.have) < blockFrame {
		return false, damaged("a block cut off")
	}
	length := binary.LittleEndian.Uint32(c.have)
	if length == 0 || length > maxPayload || int(length)+blockFrame > len(c.have) {
		return false, damaged("length of a block")
	}
	framed := c.have[:4+length]
	if crc32.Checksum(framed, castagnoli) != binary.LittleEndian.Uint32(c.have[4+length:]) {
		return false, damaged("checksum of a block")
	}
	c.have = c.have[blockFrame+length:]
	c.block, c.first = unpacker{rest: framed[4:]}, true
	return true, nil
}

// fill moves what is left to the front of the buffer and reads on behind it.
func (c *cursor) fill() error {
	n := copy(c.buf, c.have)
	more := min(int64(len(c.buf)-n), c.end-c.next)
	c.have = c.buf[:n+int(more)]
	if err := readFull(c.seg.file, c.have[n:], c.next); err != nil {
		return err
	}
	c.next += more
	return nil
}

// compare orders cursors by their current entries, and equal entries by merge
// order: that of the segments.
func (c *cursor) compare(d *cursor) int {
	return cmp.Or(
		cmp.Compare(c.key, d.key),
		bytes.Compare(c.entry.ID, d.entry.ID),
		cmp.Compare(c.rank, d.rank),
		cmp.Compare(c.entry.Version, d.entry.Version),
		cmp.Compare(c.place, d.place),
	)
}
