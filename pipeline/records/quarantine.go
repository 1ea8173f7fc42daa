package records

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/split"
)

// quarantine appends the record's line of the quarantine file: object, record
// number, reason with element path, and the source bytes in base64 (I5). Of a
// record that is too large it holds the beginning, the length and the SHA-256.
func (w *worker) quarantine(b *batch, t *knownTenant, number int64, text []byte, large *split.TooLarge) {
	start := len(w.out)
	key, err := json.Marshal(w.m.objects[b.object].Key)
	if err != nil {
		b.err = err // cannot be: a string always marshals
		return
	}
	out := append(w.out, `{"object":`...)
	out = append(out, key...)
	out = append(out, `,"record":`...)
	out = strconv.AppendInt(out, number, 10)
	out = append(out, `,"reason":"`...)
	out = append(out, w.record.Reason.String()...)
	if len(w.record.Path) > 0 && w.record.Reason != pipeline.TooLarge {
		out = append(append(out, ':'), w.record.Path...)
	}
	out = append(out, `","raw":"`...)
	out = base64.StdEncoding.AppendEncode(out, text)
	out = append(out, '"')
	if large != nil {
		out = strconv.AppendInt(append(out, `,"length":`...), large.Length, 10)
		out = append(out, `,"sha256":"`...)
		out = append(hex.AppendEncode(out, large.SHA256[:]), '"')
	}
	w.out = append(out, "}\n"...)
	w.line(b, w.slot(t, nil, 0), start)
}
