package split

import "crypto/sha256"

const (
	// tailBytes of capacity stand behind Batch.Data, so that a parser may load
	// whole words.
	tailBytes = 32
	// readBytes bounds one read, and so the bytes that are carried over from
	// one batch to the next.
	readBytes = 64 << 10
	// normalBytes is the largest buffer of a batch that is not big.
	normalBytes = 512 << 10
	// bigBytes is the first step beyond; the second holds the longest record.
	bigBytes = 4 << 20
	// keptLines is the longest line list that a batch keeps for reuse.
	keptLines = 16 << 10
	// excerptBytes of a line that is too large are kept for quarantine.
	excerptBytes = 64 << 10
)

// Batch is consecutive whole lines of one object. The zero value is ready for
// [Reader.Next], which fills and reuses it; it belongs to the caller.
type Batch struct {
	// Data holds the lines with their LFs; the last line of an object may lack
	// its LF. At least 32 bytes of capacity behind the length may be read; they
	// hold anything.
	Data []byte
	// Lines has one entry per record.
	Lines []Line
	// TooLarge is set if the last line is longer than a record may be. Data then
	// ends with the first 64 KiB of that line. The line is always a batch's last.
	TooLarge *TooLarge

	First      int64    // record number of the first line in the object, from 1
	Offset     int64    // decompressed offset of the first byte in the object
	End        Position // behind the last byte: where Skip goes on
	Compressed int64    // compressed bytes taken so far, for progress only
	Last       bool     // the object ends here, and its gzip is whole
}

// Line is one record within Batch.Data, without its LF. A CR stays: to JSON it is
// white space.
type Line struct {
	Start, End uint32
}

// TooLarge describes a line of which only the beginning was kept.
type TooLarge struct {
	Length int64 // of the whole line, without LF
	SHA256 [sha256.Size]byte
}

// Shrink drops buffers that are larger than those of an ordinary batch. Who is
// done with a batch calls it before it rests in a pool; Next does the same.
func (b *Batch) Shrink() {
	if cap(b.Data) > normalBytes {
		b.Data = nil
	}
	if cap(b.Lines) > keptLines {
		b.Lines = nil
	}
	b.TooLarge = nil
}

// grow makes room behind Data without losing what is there.
func (b *Batch) grow(capacity int) {
	data := make([]byte, len(b.Data), capacity)
	copy(data, b.Data)
	b.Data = data
}

// room returns the free bytes behind Data, less the readable tail.
func (b *Batch) room() int { return cap(b.Data) - len(b.Data) - tailBytes }
