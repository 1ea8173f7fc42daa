package binaries

import (
	"github.com/fhirhose/fhirhose/pipeline"
)

// item is one row on its way. It belongs to one stage at a time; those between
// read and place tell by ready that they are done with it. What it holds is given
// back, in the order of rows, once it is written.
type item struct {
	row    int64     // its number in the job's list of stubs
	behind int64     // position in that list behind it
	stub   converted // its texts lie in text
	text   region
	ready  chan struct{} // one place

	prefix []byte // of the key of its object; empty if it can have none
	named  named
	verdict

	large  bool     // its content is staged, not fetched
	spool  int64    // bytes that it takes in the spool
	resume bool     // an earlier process has placed its beginning
	room   region   // for its line
	line   []byte   // written as it is; nil if the content is large
	digest [32]byte // of the content with data, see ledger.Entry
}

// verdict is what becomes of a row.
type verdict struct {
	reason    pipeline.Reason // if it is quarantined
	fill      bool            // content is added to it
	erased    bool            // it is DELETED, and so is its object
	recovered bool            // content is that of a noncurrent object
	content   pipeline.Content
}

func newItem() *item { return &item{ready: make(chan struct{}, 1)} }

// take keeps a copy of a row, whose texts are another's.
func (it *item) take(row *converted, text region) {
	it.stub, it.text = *row, text
	b := text.b
	for _, t := range it.texts() {
		from := len(b)
		b = append(b, *t...)
		*t = b[from:len(b):len(b)]
	}
}

func (it *item) texts() [6]*[]byte {
	s := &it.stub
	return [...]*[]byte{&s.Tenant, &s.ID, &s.Line, &s.Before, &s.After, &s.Raw}
}

func textBytes(s *converted) int {
	return len(s.Tenant) + len(s.ID) + len(s.Line) + len(s.Before) + len(s.After) + len(s.Raw)
}

// release gives back what the item holds. Its struct can be used again.
func (it *item) release() {
	it.text.release()
	it.room.release()
	*it = item{ready: it.ready, prefix: it.prefix[:0]}
}

// The ends of a line with content: the line as it was loses its last bytes.
const (
	lineEnd   = "}\n"
	filledEnd = `"` + lineEnd
)

// head returns what stands before the content, in two parts.
func (it *item) head(opening string) (line []byte, open string) {
	return it.stub.Line[:len(it.stub.Line)-len(lineEnd)], opening
}

// openingOf returns what stands between a line's members and its content.
func openingOf(field string) string { return `,"` + field + `":"` }

// lineBytes is the length of the line, LF included, that will be written.
func (it *item) lineBytes(opening string) int64 {
	n := int64(len(it.stub.Line))
	if it.fill {
		n += int64(len(opening)) + encodedLen(it.content.Size) + int64(len(filledEnd)-len(lineEnd))
	}
	return n
}
