package split

import (
	"errors"
	"hash/crc32"
)

// Position is the end of a batch: where a later Reader of the same object goes
// on, see [Reader.Skip].
type Position struct {
	Offset  int64  `json:"offset"`  // decompressed bytes before it
	Records int64  `json:"records"` // records before it
	Sum     uint32 `json:"sum"`     // CRC-32C of the decompressed bytes before it
}

// ErrChanged says that the bytes before a position are not those that it was
// taken from: the object was repaired to other content.
var ErrChanged = errors.New("the object differs before the position to go on from")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pass moves the position over decompressed bytes.
func (p *Position) pass(bytes []byte) {
	p.Offset += int64(len(bytes))
	p.Sum = crc32.Update(p.Sum, castagnoli, bytes)
}
