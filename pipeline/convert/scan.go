package convert

import (
	"bytes"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

// Depths of the source text.
const (
	itemDepth = 2 // of the object in Item
	metaDepth = 4 // of the map in meta
)

// scan reads the row and writes the resource from start on, without the tags
// that are added. It returns the end of the resource.
func (c *Converter) scan(start int) (end int) {
	t := &c.tape
	i, o, k := t.Skip(0), start, 1
	if t.Byte(i) != '{' { // JSON perhaps, but no row
		if i = t.Skim(i, o, k, 0); i >= 0 && !t.AtEnd(t.Skip(i)) {
			t.Fail(pipeline.NotJSON)
		}
		return start
	}
	base := t.Begin()
	t.Hide()
	var more bool
	for i, more = c.first(i+1, '}'); more; i, more = c.next(i, '}') {
		name := k + 1
		if i, k = t.Key(i, o, k); i < 0 {
			return start
		}
		i = t.Skip(i)
		if string(t.Text(name, k-2)) == "Item" && t.Byte(i) == '{' && !c.row.item {
			i, o, k = c.item(i+1, o, k)
		} else {
			c.noteOther(t.Text(name, k-2))
			i = t.Skim(i, o, k, 1)
		}
		if i < 0 {
			return start
		}
		k++ // as if a comma came
	}
	if i >= 0 && !t.AtEnd(t.Skip(i)) {
		t.Fail(pipeline.NotJSON)
	}
	t.Close(base, k-1)
	return o
}

// noteOther notes a member of the row that is no Item.
func (c *Converter) noteOther(name []byte) {
	if c.row.defect == pipeline.NoReason {
		c.note(pipeline.BadAttribute)
		c.row.path = canon.AppendElement(c.row.path, name)
	}
}

// item reads the attributes behind the opening brace.
func (c *Converter) item(i, o, k int) (int, int, int) {
	t := &c.tape
	c.row.item = true
	base := t.Begin()
	t.Put(o, k, '{')
	o, k = o+1, k+1
	first := o
	i, more := c.first(i, '}')
	for more {
		begin := o
		if o > first {
			t.PutRaw(o, ',')
			o++
		}
		var what attribute
		if i, o, k, what = c.attribute(i, o, k); i < 0 {
			return i, o, k
		}
		if what.dropped() {
			o = begin
			t.Omit()
		}
		i, more = c.next(i, '}')
		k++ // as if a comma came
	}
	if i < 0 {
		return i, o, k
	}
	t.PutRaw(o, '}')
	c.row.content = t.Content(base, k-1)
	return i, o + 1, k
}

// attribute reads one top-level attribute.
func (c *Converter) attribute(i, o, k int) (_, _, _ int, what attribute) {
	t := &c.tape
	from := k
	if i, o, k = c.name(i, o, k); i < 0 {
		return i, o, k, what
	}
	name := span{from + 1, k - 2}
	what = attributeOf(t.Text(name.from, name.to))
	if what == attrMeta {
		t.Omit()
		i, o, k = c.meta(i, o, k)
		return i, o, k, what
	}
	fromO := o
	from = k
	if i, o, k = c.value(i, o, k, itemDepth); i < 0 {
		return i, o, k, what
	}
	switch what {
	case attrOrdinary:
	case attrUnknown:
		if c.kind != kindM && c.kind != kindL {
			c.row.unknown = append(c.row.unknown, name)
		}
	case attrVersion:
		c.row.hasVersion = true
		c.row.version = c.integer(fromO, o)
	case attrLockEnd:
		c.row.lockEnd = c.integer(fromO, o)
	default:
		if what == attrID && c.kind == kindS && c.tenant != "" {
			o, k = c.splitID(fromO, from, o, k)
		}
		if f := c.row.field(what); f != nil {
			*f = field{span{from + 1, k - 1}, true, c.kind == kindS}
		}
	}
	return i, o, k, what
}

// name copies a name and its colon.
func (c *Converter) name(i, o, k int) (int, int, int) {
	t := &c.tape
	if t.Byte(i) != '"' {
		return t.Fail(pipeline.NotJSON), o, k
	}
	t.Put(o, k, '"')
	if i, o, k = t.Name(i+1, o+1, k+1); i < 0 {
		return i, o, k
	}
	t.Put(o, k, ':')
	return t.Colon(i), o + 1, k + 1
}

// integer returns the value of the number that has just been copied, 0 if it is
// no positive integer written without fraction and exponent.
func (c *Converter) integer(fromO, o int) int64 {
	if c.kind != kindN {
		return 0
	}
	return integer(c.tape.Raw(fromO, o))
}

// splitID takes the tenant and the first | off an id that has just been written
// to both outputs, from the opening to behind the closing quote.
func (c *Converter) splitID(fromO, from, o, k int) (int, int) {
	text := c.tape.Text(from, k)
	bar := bytes.IndexByte(text, '|')
	if bar < 0 {
		return o, k
	}
	c.row.split = true
	c.row.idPrefix = append(c.row.idPrefix, text[1:bar]...)
	n := 1 + copy(text[1:], text[bar+1:])
	return fromO + copy(c.tape.Raw(fromO, o), text[:n]), from + n
}
