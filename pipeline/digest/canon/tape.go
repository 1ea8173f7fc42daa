package canon

import (
	"bytes"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

// slack is how far behind the end of a buffer a word may be read or written.
// The source text ends with as many NUL bytes, which no token contains, so no
// scan runs beyond them.
const slack = 32

// minText is the least canonical text that there is room for.
const minText = 4 << 10

// Tape is the state of one scan. The zero value is ready for [Tape.Reset].
type Tape struct {
	References References // in what was read since the last Reset

	src     []byte // source text, and slack NUL bytes
	own     []byte // src where the caller's bytes cannot be borrowed
	covered []byte // what the NUL bytes hide, if the caller's bytes are borrowed
	raw     []byte // the caller's copy
	text    []byte // canonical text; always longer than it can become
	scratch []byte // one object while it is put in order

	members []member // of all open objects, outermost first
	open    []frame  // the open objects

	fault     pipeline.Reason
	form      uint32 // see Form
	duplicate bool
	skim      int    // over 0: canonical text of values is not kept
	path      []byte // where the fault or the first duplicate is
}

// frame is an open object: the index of its first member. Frames of type tags
// are complemented, because they are no part of an element path.
type frame int32

// kept is the size from which on buffers are given back after the line that
// needed them: DynamoDB holds 400 KB per item, so larger ones are rare.
const kept = 4 << 20

// Reset starts a scan over line, which [Tape.Release] ends. Verbatim text goes to
// raw, which must have room for len(line)+[Room] bytes behind the first position
// that is written. If line has [Room] bytes of capacity behind its length, they
// are borrowed until Release; else the line is copied.
// The canonical text of DynamoDB JSON is never longer than its source; how long that
// of other JSON may be, [Longest] tells: text is that.
func (t *Tape) Reset(line, raw []byte, text int) {
	if len(t.text) > kept && text <= kept {
		t.own, t.text, t.scratch, t.members = nil, nil, nil, nil
	}
	t.borrow(line)
	t.text = grown(t.text, max(text+slack, minText))
	t.raw = raw[:cap(raw)]
	t.members, t.open = t.members[:0], t.open[:0]
	t.fault, t.duplicate, t.skim, t.form = pipeline.NoReason, false, 0, 0
	t.path, t.References = t.path[:0], References{}
}

// Longest returns how long the canonical text of an object in plain JSON may be. Only
// numbers grow: by two bytes ("1" is "1e0", "1.5" is "15e-1"), and where they have ten
// digits and more behind the point, by a quarter of their length at most. A number
// stands behind a bracket, a comma or a colon.
func Longest(line []byte) int {
	n := len(line)
	if n < minText {
		return 2 * n // without a look
	}
	numbers := bytes.Count(line, []byte{'['}) + bytes.Count(line, []byte{','}) + bytes.Count(line, []byte{':'})
	return min(2*n, n+n/4+2*numbers)
}

// borrow makes line the source text, ended by NUL bytes.
func (t *Tape) borrow(line []byte) {
	if cap(line)-len(line) < slack {
		t.own = append(append(t.own[:0], line...), make([]byte, slack)...)
		t.src = t.own
		return
	}
	t.src = line[:len(line)+slack]
	t.covered = append(t.covered[:0], t.src[len(line):]...)
	clear(t.src[len(line):])
}

// Release gives borrowed bytes back as they were. The source text is gone; all
// else stays valid.
func (t *Tape) Release() {
	copy(t.src[len(t.src)-len(t.covered):], t.covered)
	t.src, t.covered = nil, t.covered[:0]
}

// Room is what a scan may write behind the verbatim copy of a line.
const Room = slack

// Text returns canonical text that is valid until the object that it belongs
// to is ended, or, in the outermost object, until the next Reset.
func (t *Tape) Text(from, to int) []byte { return t.text[from:to:to] }

// Before returns the eight bytes of canonical text in front of k, the first one
// lowest. There must be as many.
func (t *Tape) Before(k int) uint64 { return load8(at(t.text, k-8), 0) }

// Raw returns verbatim text.
func (t *Tape) Raw(from, to int) []byte { return t.raw[from:to:to] }

// Form returns the number form of what was read so far: the sum, mod 2^32, of a hash
// of the text of each number that is not in the shortest form of its value. It is 0
// for nearly every resource. Numbers that are passed over with Skim count too.
func (t *Tape) Form() uint32 { return t.form }

// Fault says why the scan ended early: NotJSON, InvalidUTF8 or TooDeep. A name
// that occurs twice does not end the scan; it is the fault of text that has no
// other.
func (t *Tape) Fault() pipeline.Reason {
	if t.fault == pipeline.NoReason && t.duplicate {
		return pipeline.DuplicateKey
	}
	return t.fault
}

// Path returns the element path of the fault, valid until the next Reset.
func (t *Tape) Path() []byte { return t.path }

// Fail ends the scan; it returns the position that says so.
func (t *Tape) Fail(why pipeline.Reason) int {
	if t.fault == pipeline.NoReason {
		t.fault = why
		t.path = t.AppendPath(t.path[:0])
	}
	return -1
}

// AtEnd tells whether i is the end of the source text.
func (t *Tape) AtEnd(i int) bool { return i == len(t.src)-slack }

// Byte returns the source byte at i, 0 at the end.
func (t *Tape) Byte(i int) byte { return byteAt(at(t.src, i), 0) }

// Word returns eight source bytes from i, the first one lowest.
func (t *Tape) Word(i int) uint64 { return load8(at(t.src, i), 0) }

// Skip returns the position of the first byte at or behind i that is not white
// space.
func (t *Tape) Skip(i int) int {
	for {
		switch t.Byte(i) {
		case ' ', '\t', '\r', '\n':
			i++
		default:
			return i
		}
	}
}

// Put writes b to both outputs.
func (t *Tape) Put(o, k int, b byte) {
	t.PutRaw(o, b)
	t.PutText(k, b)
}

// Put2 writes two bytes to both outputs, the low one first.
func (t *Tape) Put2(o, k int, w uint16) {
	store2(at(t.raw, o), w)
	store2(at(t.text, k), w)
}

// PutRaw writes b to the verbatim copy.
func (t *Tape) PutRaw(o int, b byte) { storeByte(at(t.raw, o), b) }

// PutText writes b to the canonical text.
func (t *Tape) PutText(k int, b byte) { storeByte(at(t.text, k), b) }

// PutBoth writes s to both outputs.
func (t *Tape) PutBoth(o, k int, s string) (int, int) {
	return o + copy(t.raw[o:], s), k + copy(t.text[k:], s)
}

// grown returns b with room for n bytes, its content lost.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return slices.Grow(b[:0], n)[:n]
	}
	return b[:n]
}
