package verify

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// resource is what one exported line says. Its slices are valid until the next
// line is scanned.
type resource struct {
	// reason is NoReason, or why the line could not be read. Type and id may be
	// there all the same, if both stood before the defect.
	reason  pipeline.Reason
	typ, id []byte
	updated int64 // meta.lastUpdated, Unix ms; ledger.UnknownTime if unreadable

	sums digest.Sums // as it stands
	bare digest.Sums // without the target's marks, if it is marked; its Form is that of the line as it stands
	// marked: it bears something of the target's own; generated: one of its tags.
	marked, generated bool
}

// identified tells whether it is known which resource the line is.
func (r *resource) identified() bool { return len(r.typ) > 0 }

// span is a piece of the canonical text.
type span struct{ from, to int }

// scanner reads exported lines in one pass: package digest computes the same
// sums, but does not say whose they are. Its buffers are reused.
type scanner struct {
	marks        *Marks
	extensions   [][]byte // marks.Extensions
	tape         canon.Tape
	labels, bare digest.Labels
	raw          []byte // what the tape copies and nobody needs
	scratch      []byte
	long         *longText // the part of the line that lies in a file, or nil

	// Of the current line:

	typ, id  span // with quotes; none: to is 0
	twice    bool // one of them is there twice
	hasMeta  bool
	badMeta  bool
	extended bool // there may be extensions of the target
	tagged   bool
	updated  int64
}

func newScanner(marks *Marks) *scanner {
	s := &scanner{marks: marks}
	for _, prefix := range marks.Extensions {
		s.extensions = append(s.extensions, []byte(prefix))
	}
	return s
}

// scan reads one line, with or without its line end.
func (s *scanner) scan(line []byte, r *resource) {
	t := &s.tape
	if cap(s.raw) < len(line)+canon.Room {
		s.raw = make([]byte, len(line)+canon.Room)
	}
	t.Reset(line, s.raw, canon.Longest(line))
	s.labels.Reset()
	s.typ, s.id, s.twice, s.hasMeta, s.badMeta = span{}, span{}, false, false, false
	s.extended, s.tagged, s.updated = false, false, ledger.UnknownTime
	content := s.object()
	t.Release()
	*r = resource{reason: t.Fault(), updated: s.updated}
	if r.reason == pipeline.NoReason && s.badMeta {
		r.reason = pipeline.BadMeta
	}
	if s.identify(r); r.reason != pipeline.NoReason {
		return
	}
	r.sums = digest.Sums{Content: s.sum(content), Label: s.labels.Sum(), Form: t.Form()}
	if s.extended || s.tagged {
		s.strip(content, r)
	}
}

// object reads the line and returns the canonical text without meta.
func (s *scanner) object() []byte {
	t := &s.tape
	i := t.Skip(0)
	if t.Byte(i) != '{' {
		t.Fail(pipeline.NotJSON)
		return nil
	}
	base := t.Begin()
	i, k := s.members(i + 1)
	if i < 0 {
		return nil
	}
	if !t.AtEnd(t.Skip(i)) {
		t.Fail(pipeline.NotJSON)
		return nil
	}
	return t.Content(base, k)
}

// members reads the outermost object behind its brace. It returns the position
// behind it in the source and behind its last member in the canonical text,
// where meta leaves nothing.
func (s *scanner) members(i int) (_, k int) {
	t := &s.tape
	k = 1
	if i = t.Skip(i); t.Byte(i) == '}' {
		return i + 1, k
	}
	for more := true; more; {
		from := k
		if i, k = t.Key(i, 0, k); i < 0 {
			return i, k
		}
		name, value := t.Text(from+1, k-2), k
		if string(name) == "meta" {
			if i = s.meta(i, k); i < 0 {
				return i, k
			}
			k = from - 1 // where the comma before it stands, if there is one
		} else {
			if i, k = t.Value(i, 0, k, 1); i < 0 {
				return i, k
			}
			s.note(name, span{value, k})
		}
		if i, k, more = t.More(i, k, '}'); i < 0 {
			return i, k
		}
	}
	return i, k - 1
}

// note keeps what is asked of a member later.
func (s *scanner) note(name []byte, value span) {
	switch string(name) {
	case "resourceType":
		s.twice = s.twice || s.typ.to > 0
		s.typ = value
	case "id":
		s.twice = s.twice || s.id.to > 0
		s.id = value
	case "extension":
		s.extended = s.maybeExtended(s.tape.Text(value.from, value.to))
	}
}

// maybeExtended tells whether the canonical text of extension may hold an element
// of the target: nearly none does, and this is the quick way to know.
func (s *scanner) maybeExtended(extension []byte) bool {
	for _, prefix := range s.extensions {
		if bytes.Contains(extension, prefix) {
			return true
		}
	}
	return false
}

// meta reads the value of meta and takes labels and time from it.
func (s *scanner) meta(i, k int) int {
	t := &s.tape
	form := t.Form()
	if s.hasMeta {
		t.Twice([]byte("meta"))
	}
	s.hasMeta = true
	if i = t.Skip(i); t.Byte(i) == '{' {
		i = s.metaMembers(i+1, k)
	} else {
		s.badMeta = true
		i, _ = t.Value(i, 0, k, 1)
	}
	if i >= 0 {
		t.Forget(form)
	}
	return i
}

func (s *scanner) metaMembers(i, k int) int {
	t := &s.tape
	t.PutText(k, '{')
	k++
	base := t.Begin()
	if i = t.Skip(i); t.Byte(i) == '}' {
		t.End(base, k)
		return i + 1
	}
	var profile, security, tag []byte
	for more := true; more; {
		from := k
		if i, k = t.Key(i, 0, k); i < 0 {
			return i
		}
		value := k
		if i, k = t.Value(i, 0, k, 2); i < 0 {
			return i
		}
		switch string(t.Text(from, value)) {
		case `"profile":`:
			profile = t.Text(from, k)
		case `"security":`:
			security = t.Text(from, k)
		case `"tag":`:
			tag = t.Text(from, k)
		case `"lastUpdated":`:
			s.updated = instant(t.Text(value, k))
		}
		if i, k, more = t.More(i, k, '}'); i < 0 {
			return i
		}
	}
	s.labels.Take(profile, security, tag)
	s.bareLabels(profile, security, tag)
	t.Close(base, k-1)
	return i
}

func (s *scanner) bareLabels(profile, security, tag []byte) {
	s.scratch = s.scratch[:0]
	if s.scratch, s.tagged = s.marks.withoutTags(s.scratch, tag); s.tagged {
		s.bare.Take(profile, security, s.scratch)
	}
}

// strip computes the sums of the line without the target's marks.
func (s *scanner) strip(content []byte, r *resource) {
	r.bare = r.sums
	if s.tagged {
		r.marked, r.generated = true, true
		r.bare.Label = s.bare.Sum()
	}
	if s.extended {
		var ok bool
		if s.scratch, ok = s.marks.withoutExtensions(s.scratch[:0], content); ok {
			r.marked = true
			r.bare.Content = s.sum(s.scratch)
		}
	}
}

// identify sets type and id, both or neither. Of a line that could be read, their
// absence is a defect.
func (s *scanner) identify(r *resource) {
	typ, id := s.text(s.typ), s.text(s.id)
	reason := pipeline.NoReason
	switch {
	case s.twice: // a DuplicateKey, unless there is a worse fault
	case s.typ.to == 0:
		reason = pipeline.NoType
	case !isName(typ, isTypeByte):
		reason = pipeline.BadType
	case s.id.to == 0:
		reason = pipeline.NoID
	case !isName(id, isIDByte):
		reason = pipeline.BadID
	default:
		r.typ, r.id = typ, id
	}
	if r.reason == pipeline.NoReason {
		r.reason = reason
	}
}

// sum returns the SHA-256 of canonical text.
func (s *scanner) sum(text []byte) [sha256.Size]byte {
	if s.long != nil {
		return s.long.sum(text)
	}
	return sha256.Sum256(text)
}

// text returns the content of a string, nil if the value is none.
func (s *scanner) text(at span) []byte {
	if at.to < 2 || s.tape.Text(at.from, at.to)[0] != '"' {
		return nil
	}
	return s.tape.Text(at.from+1, at.to-1)
}

// shrink gives the buffers of a long line back.
func (s *scanner) shrink() {
	s.tape.Shrink()
	if cap(s.raw) > longLine {
		s.raw, s.scratch = nil, nil
	}
}

// instant returns the time of a string in canonical text, Unix ms.
func instant(text []byte) int64 {
	var at time.Time
	if len(text) < len(`"2006-01-02T15:04:05Z"`) || text[0] != '"' || at.UnmarshalText(text[1:len(text)-1]) != nil {
		return ledger.UnknownTime
	}
	return at.UnixMilli()
}

// isName tells whether text is 1 to 64 bytes of a set.
func isName(text []byte, in func(byte) bool) bool {
	return len(text) > 0 && len(text) <= ledger.MaxNameBytes && !slices.ContainsFunc(text, func(b byte) bool { return !in(b) })
}

func isTypeByte(b byte) bool { return b-'0' <= 9 || b|0x20-'a' <= 'z'-'a' }
func isIDByte(b byte) bool   { return isTypeByte(b) || b == '-' || b == '.' }
