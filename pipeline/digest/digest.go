package digest

import (
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
)

// Sums are the digests of one resource.
type Sums struct {
	Content [sha.Size]byte
	Label   [sha.Size]byte
	// Form is the number form of what Content covers: the digest is of values, and
	// this tells whether they are spelled in the same way. See [canon.Tape.Form].
	Form uint32
}

// Digester computes the digests of plain FHIR JSON. Its buffers are reused: one
// per goroutine. The zero value is ready.
type Digester struct {
	tape   canon.Tape
	labels Labels
	raw    []byte
}

// Resource returns the digests of one resource, a JSON object with nothing but
// white space around it. If line is not that, the reason says why: NotJSON,
// InvalidUTF8, TooDeep, DuplicateKey, or BadMeta where meta is no object.
func (d *Digester) Resource(line []byte) (Sums, pipeline.Reason) {
	t := &d.tape
	if cap(d.raw) < len(line)+canon.Room {
		d.raw = make([]byte, len(line)+canon.Room)
	}
	t.Reset(line[:len(line):len(line)], d.raw, canon.Longest(line))
	defer t.Release()
	d.labels.Reset()
	i := t.Skip(0)
	if t.Byte(i) != '{' {
		t.Fail(pipeline.NotJSON)
		return Sums{}, t.Fault()
	}
	base := t.Begin()
	i, k, badMeta := d.members(i + 1)
	if i >= 0 && !t.AtEnd(t.Skip(i)) {
		t.Fail(pipeline.NotJSON)
	}
	if t.Fault() != pipeline.NoReason {
		return Sums{}, t.Fault()
	}
	content := sha.Of(t.Content(base, k))
	switch {
	case t.Fault() != pipeline.NoReason: // a name of the outermost object occurs twice
		return Sums{}, t.Fault()
	case badMeta:
		return Sums{}, pipeline.BadMeta
	}
	return Sums{Content: content, Label: d.labels.Sum(), Form: t.Form()}, pipeline.NoReason
}

// members reads the outermost object behind its brace. It returns the position
// behind it in the source and behind its last member in the canonical text,
// where meta leaves nothing.
func (d *Digester) members(i int) (_, k int, badMeta bool) {
	t := &d.tape
	k = 1
	if i = t.Skip(i); t.Byte(i) == '}' {
		return i + 1, k, false
	}
	hasMeta := false
	for more := true; more; {
		from, form := k, t.Form()
		if i, k = t.Key(i, 0, k); i < 0 {
			return i, k, false
		}
		if name := t.Text(from+1, k-2); string(name) == "meta" {
			if hasMeta {
				t.Twice(name)
			}
			hasMeta = true
			if i = t.Skip(i); t.Byte(i) == '{' {
				i, _ = d.meta(i+1, k)
			} else {
				badMeta = true
				i, _ = t.Value(i, 0, k, 1)
			}
			t.Forget(form)
			k = from - 1 // where the comma before it stands, if there is one
		} else {
			i, k = t.Value(i, 0, k, 1)
		}
		if i < 0 {
			return i, k, false
		}
		if i, k, more = t.More(i, k, '}'); i < 0 {
			return i, k, false
		}
	}
	return i, k - 1, badMeta
}

// meta reads meta behind its brace and takes the labels from it.
func (d *Digester) meta(i, k int) (int, int) {
	t := &d.tape
	t.PutText(k, '{')
	k++
	base := t.Begin()
	if i = t.Skip(i); t.Byte(i) == '}' {
		t.End(base, k)
		return i + 1, k
	}
	var profile, security, tag []byte
	for more := true; more; {
		from := k
		if i, k = t.Key(i, 0, k); i < 0 {
			return i, k
		}
		value := k
		if i, k = t.Value(i, 0, k, 2); i < 0 {
			return i, k
		}
		switch string(t.Text(from, value)) {
		case `"profile":`:
			profile = t.Text(from, k)
		case `"security":`:
			security = t.Text(from, k)
		case `"tag":`:
			tag = t.Text(from, k)
		}
		if i, k, more = t.More(i, k, '}'); i < 0 {
			return i, k
		}
	}
	d.labels.Take(profile, security, tag)
	t.Close(base, k-1)
	return i, k
}
