package binaries

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/fhirhose/fhirhose/pipeline/output"
)

// quarantine places the row's line of the quarantine file: object, record number,
// reason, and the source bytes in base64 (I5), as the record pipeline's.
func (g *placer) quarantine(b *batch, it *item) {
	from := len(b.made)
	out := append(b.made, `{"object":`...)
	key, _ := json.Marshal(g.p.objectOf(it)) // a string always marshals
	out = append(append(out, key...), `,"record":`...)
	out = strconv.AppendInt(out, it.stub.Record, 10)
	out = append(append(out, `,"reason":"`...), it.reason.String()...)
	out = append(out, `","raw":"`...)
	out = base64.StdEncoding.AppendEncode(out, it.stub.Raw)
	b.made = append(out, "\"}\n"...)
	line := b.made[from:]
	s := g.slots.quarantine(&it.stub)
	at := g.sharder.AssignLine(s.Slot, int64(len(line)))
	b.piece(s, output.Piece{File: at.File, Lines: 1, Longest: int64(len(line)), Data: line, First: at.New})
	g.enter(b, it, output.Place{})
	g.p.live.quarantined(it)
}
