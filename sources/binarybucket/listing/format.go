package listing

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
)

// The layout of docs/binary-index.md.
const (
	version      = 1
	magic        = "fhbucket"
	headerBytes  = 8 + 4 + 32 + 4
	trailerBytes = 5*8 + 4 + 8
	framing      = 4 + 1 + 4 // around the payload of a block

	// blockBytes ends a block: after the entry that brings its payload there.
	blockBytes = 16 << 10
	// maxBlock is more than any block that is written.
	maxBlock = blockBytes + 2*maxText + 128
	maxText  = 16 << 10 // of a key; more than an S3 key or a path can have
	// maxLevel is more levels than any listing has.
	maxLevel = 16

	unknownTime = math.MinInt64
)

// What a caller asks of an error with errors.Is.
var (
	// ErrDamaged: the file is not what was written.
	ErrDamaged = errors.New("the listing is damaged")
	// ErrOther: the listing is of another place.
	ErrOther = errors.New("the listing is of another location")
	// ErrTwice: a key came twice.
	ErrTwice = errors.New("an object was listed twice")
)

// Fingerprint stands for what is listed.
type Fingerprint [32]byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// appendKey adds a key as what it shares with the one before it, and the rest.
func appendKey(p []byte, before, key string) []byte {
	shared := 0
	for shared < min(len(before), len(key)) && before[shared] == key[shared] {
		shared++
	}
	p = binary.AppendUvarint(p, uint64(shared))
	return appendText(p, key[shared:])
}

func appendText(p []byte, text string) []byte {
	return append(binary.AppendUvarint(p, uint64(len(text))), text...)
}

func appendContent(p []byte, before string, c pipeline.Content) []byte {
	p = appendKey(p, before, c.Key)
	p = binary.AppendUvarint(p, uint64(c.Size))
	modified := int64(unknownTime)
	if !c.Modified.IsZero() {
		modified = c.Modified.UnixNano()
	}
	p = binary.AppendVarint(p, modified)
	p = appendText(p, c.ETag)
	return appendText(p, c.VersionID)
}

// decoder reads a block's payload. Its first failure is sticky.
type decoder struct {
	rest   []byte
	key    []byte // of the entry read last
	broken bool
}

func (d *decoder) more() bool { return len(d.rest) > 0 && !d.broken }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	return v * d.took(n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	return v * int64(d.took(n))
}

// took moves on by the n bytes of a number, and returns 0 if there was none.
func (d *decoder) took(n int) uint64 {
	if d.broken || n <= 0 {
		d.broken = true
		return 0
	}
	d.rest = d.rest[n:]
	return 1
}

func (d *decoder) number() int64 {
	v := d.uvarint()
	if v > math.MaxInt64 {
		d.broken = true
		return 0
	}
	return int64(v)
}

func (d *decoder) text() []byte {
	n := d.uvarint()
	if d.broken || n > uint64(len(d.rest)) || n > maxText {
		d.broken = true
		return nil
	}
	text := d.rest[:n]
	d.rest = d.rest[n:]
	return text
}

func (d *decoder) nextKey() {
	shared := d.uvarint()
	rest := d.text()
	if d.broken || shared > uint64(len(d.key)) || shared+uint64(len(rest)) > maxText {
		d.broken = true
		return
	}
	d.key = append(d.key[:shared], rest...)
}

// entry is a listed object; its texts belong to the decoder until the next one.
type entry struct {
	key, etag, version []byte
	size, modified     int64
}

func (d *decoder) entry() entry {
	d.nextKey()
	e := entry{size: d.number(), modified: d.varint(), etag: d.text(), version: d.text()}
	e.key = d.key
	return e
}

func (e entry) content() pipeline.Content {
	c := pipeline.Content{Key: string(e.key), Size: e.size, ETag: string(e.etag), VersionID: string(e.version)}
	if e.modified != unknownTime {
		c.Modified = time.Unix(0, e.modified).UTC()
	}
	return c
}
