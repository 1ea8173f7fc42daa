package diff

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

const (
	// longString is the length from which on a string is kept by its digest alone.
	longString = 4 << 10
	// mostText bounds what is left of a resource then. A record of DynamoDB has
	// 400 KB at most.
	mostText = 1 << 20
	// mostPrefixes bounds the lengths at which the beginning of a long string is
	// compared with the other side's.
	mostPrefixes = 16
)

// ErrTooLarge is of a resource that is over 1 MiB without its long strings.
var ErrTooLarge = errors.New("the resource is too large to be compared element by element")

// ErrUnreadable is of what is no strict JSON of an object. An error that wraps it holds
// none of its text.
var ErrUnreadable = errors.New("the resource cannot be read")

// Text is a resource as it is compared: canonical text, long strings in it replaced.
type Text struct {
	canonical []byte
	long      map[string]*longText // by what stands for it, with quotes
}

// longText is what is kept of a long string.
type longText struct {
	length   int64 // bytes, decoded
	sum      [sha256.Size]byte
	head     []byte                      // its first longString bytes, decoded
	prefixes map[int64][sha256.Size]byte // of its first bytes: so many
}

// Size is about how much memory the text holds, in bytes.
func (t *Text) Size() int { return len(t.canonical) + len(t.long)*(longString+512) }

// Is tells whether the resource says that it is of this type and id.
func (t *Text) Is(resourceType, id string) bool {
	of := members(t.canonical).values
	return string(of[`"resourceType":`]) == `"`+resourceType+`"` && string(of[`"id":`]) == `"`+id+`"`
}

// lengths returns the lengths of its long strings, sorted.
func (t *Text) lengths() (all []int64) {
	for _, l := range t.long {
		all = append(all, l.length)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), mostPrefixes)]
}

// Differ reads and compares resources. Texts of one differ can be compared with each
// other. One goroutine uses it.
type Differ struct {
	marks Marks
	token string // begins what stands for a long string; no resource holds it
	tape  canon.Tape
	raw   []byte
	buf   []byte
}

// Marks are what the other system is known to add to resources of its own accord.
// Both functions take an element of a list in canonical text; nil: it adds nothing.
type Marks struct {
	Extension func(element []byte) bool // of extension of the resource
	Tag       func(element []byte) bool // of meta.tag
}

// New returns a differ.
func New(marks Marks) *Differ {
	if marks.Extension == nil {
		marks.Extension = func([]byte) bool { return false }
	}
	if marks.Tag == nil {
		marks.Tag = func([]byte) bool { return false }
	}
	return &Differ{marks: marks, token: "fhirhose-" + rand.Text() + "-", buf: make([]byte, 64<<10)}
}

// Read reads one resource, a JSON object with nothing but white space around it, to
// the end of in. To tell whether a long string is truncated, the side that may be
// shorter is read first, and given with the other one; else other is nil. It is not
// kept. Errors are [ErrUnreadable], [ErrTooLarge], and those of in.
func (d *Differ) Read(in io.Reader, other *Text) (*Text, error) {
	r := reduction{token: d.token, text: Text{long: make(map[string]*longText)}}
	if other != nil {
		r.at = other.lengths()
	}
	for {
		n, err := in.Read(d.buf)
		if failed := r.add(d.buf[:n]); failed != nil {
			return nil, failed
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if err := d.canonical(&r); err != nil {
		return nil, err
	}
	return &r.text, nil
}

// canonical makes canonical text of what was reduced.
func (d *Differ) canonical(r *reduction) error {
	if cap(d.raw) < len(r.rest)+canon.Room {
		d.raw = make([]byte, len(r.rest)+canon.Room)
	}
	t := &d.tape
	t.Reset(r.rest, d.raw, canon.Longest(r.rest))
	defer t.Release()
	i := t.Skip(0)
	if t.Byte(i) != '{' {
		t.Fail(pipeline.NotJSON)
		return unreadable(t.Fault())
	}
	i, k := t.Value(i, 0, 0, 0)
	if i >= 0 && !t.AtEnd(t.Skip(i)) {
		t.Fail(pipeline.NotJSON)
	}
	if t.Fault() != pipeline.NoReason {
		return unreadable(t.Fault())
	}
	r.text.canonical = bytes.Clone(t.Text(0, k))
	return nil
}

func unreadable(why pipeline.Reason) error { return fmt.Errorf("%w: %s", ErrUnreadable, why) }

// reduction copies JSON text, long strings replaced.
type reduction struct {
	token string
	at    []int64 // lengths at which long strings are compared with the other side's
	text  Text

	rest    []byte
	opened  int // where the open string begins in rest, behind its quote; 0: none is open
	escaped bool
	open    *stringReader // of the open string, once it is long
}

// add takes the next piece of the text.
func (r *reduction) add(piece []byte) error {
	for len(piece) > 0 {
		if r.opened == 0 {
			n := bytes.IndexByte(piece, '"') + 1
			if n > 0 {
				r.opened = len(r.rest) + n
			} else {
				n = len(piece)
			}
			r.rest = append(r.rest, piece[:n]...)
			piece = piece[n:]
		} else {
			n, ended := r.inString(piece)
			if r.open != nil {
				r.open.write(piece[:n])
			} else {
				r.rest = append(r.rest, piece[:n]...)
			}
			piece = piece[n:]
			if r.open == nil && len(r.rest)-r.opened > longString {
				r.open = newStringReader(r.at)
				r.open.write(r.rest[r.opened:])
				r.rest = r.rest[:r.opened]
			}
			if ended {
				r.closeString()
				piece = piece[1:]
			}
		}
		if len(r.rest) > mostText {
			return ErrTooLarge
		}
	}
	return nil
}

// inString returns how many bytes of piece belong to the open string, and whether
// its quote comes next.
func (r *reduction) inString(piece []byte) (n int, ended bool) {
	for n, b := range piece {
		switch {
		case r.escaped:
			r.escaped = false
		case b == '\\':
			r.escaped = true
		case b == '"':
			return n, true
		}
	}
	return len(piece), false
}

func (r *reduction) closeString() {
	if r.open != nil {
		l := r.open.end()
		if l.length <= longString { // it was written with many escapes
			text, _ := json.Marshal(string(l.head)) // a string always can be
			r.rest = append(r.rest, text[1:len(text)-1]...)
			r.endString()
			return
		}
		name := fmt.Sprintf("%s%d-%x", r.token, l.length, l.sum)
		r.text.long[`"`+name+`"`] = l
		r.rest = append(r.rest, name...)
	}
	r.endString()
}

func (r *reduction) endString() {
	r.rest = append(r.rest, '"')
	r.opened, r.open = 0, nil
}
