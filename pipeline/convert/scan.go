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
		begin, from, form, references := o, k, t.Form(), t.References
		if o > first {
			t.PutRaw(o, ',')
			o++
		}
		var what attribute
		if i, o, k, what = c.attribute(i, o, k); i < 0 {
			return i, o, k
		}
		k++ // as if a comma came
		if !what.content() {
			t.Forget(form)
			k = from
		}
		if what.dropped() {
			o, t.References = begin, references
		}
		i, more = c.next(i, '}')
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
	if !what.content() {
		if c.row.has(what) {
			t.Twice(t.Text(name.from, name.to))
		}
		c.row.seen |= 1 << what
	}
	if what == attrMeta {
		i, o, k = c.meta(i, o, k)
		return i, o, k, what
	}
	fromO := o
	from = k
	if i, o, k = c.value(i, o, k, itemDepth); i < 0 || what == attrOrdinary {
		return i, o, k, what
	}
	if what == attrID && c.kind == kindS && c.tenants {
		o, k = c.splitID(fromO, from, o, k)
	}
	c.remember(what, name, span{fromO, o}, span{from, k})
	return i, o, k, what
}

// remember keeps what the rules ask for of an attribute that has been copied.
func (c *Converter) remember(what attribute, name, raw, text span) {
	t, r := &c.tape, &c.row
	switch what {
	case attrUnknown:
		if c.kind != kindM && c.kind != kindL {
			r.unknown = append(r.unknown, name)
		}
	case attrType:
		r.resourceType = field{text.unquoted(), true, c.kind == kindS}
	case attrID:
		r.id = field{text.unquoted(), true, c.kind == kindS}
	case attrVersion:
		if c.kind == kindN {
			r.version = integer(t.Raw(raw.from, raw.to))
		}
	case attrLockEnd:
		if c.kind == kindN {
			r.lockEnd = integer(t.Raw(raw.from, raw.to))
		}
	case attrStatus:
		if c.kind == kindS {
			r.status = pipeline.ParseDocumentStatus(t.Text(text.from+1, text.to-1))
		}
	case attrTenantID:
		r.tenantID.keep(t.Text(text.from, text.to), c.kind)
	case attrPlainID:
		r.plainID.keep(t.Text(text.from, text.to), c.kind)
	}
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

// splitID takes the tenant and the first | off an id that has just been written
// to both outputs, from the opening to behind the closing quote.
func (c *Converter) splitID(fromO, from, o, k int) (int, int) {
	text := c.tape.Text(from, k)
	bar := bytes.IndexByte(text, '|')
	if bar < 0 {
		return o, k
	}
	c.row.idPrefix = append(c.row.idPrefix, text[1:bar]...)
	n := 1 + copy(text[1:], text[bar+1:])
	return fromO + copy(c.tape.Raw(fromO, o), text[:n]), from + n
}
