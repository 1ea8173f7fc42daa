package convert

import (
	"bytes"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
)

// What follows reads a resource as the FHIR Works tool writes it: what its script
// makes of a row. The attributes of FHIR Works are gone, id is what was _id, and
// meta has the tags that Convert would add. The line stays as it is.

// longestText is the longest canonical text of a resource, so that a line of many MiB
// takes about as much memory as a row does (I7). A line of 16 MiB has it if it is no
// list of millions of numbers.
const longestText = pipeline.MaxRecordBytes + pipeline.MaxRecordBytes/2

// space is JSON's white space.
const space = " \t\r\n"

// scanResource reads a resource. Positions in c.row are those of the source. raw has
// room behind start, and is left with anything there; text bounds the canonical text.
func (c *Converter) scanResource(line, raw []byte, start, text int) {
	t := &c.tape
	t.Reset(line, raw, text)
	defer t.Release()
	c.row.item = true
	i := t.Skip(0)
	if t.Byte(i) != '{' { // JSON perhaps, but no resource
		if i = t.Skim(i, start, 1, 0); i >= 0 && !t.AtEnd(t.Skip(i)) {
			t.Fail(pipeline.NotJSON)
		}
		return
	}
	base := t.Begin()
	i, k := c.elements(i+1, start, 1)
	if i >= 0 && !t.AtEnd(t.Skip(i)) {
		t.Fail(pipeline.NotJSON)
	}
	if i >= 0 && t.Fault() == pipeline.NoReason {
		c.row.content = t.Content(base, k)
	}
}

// elements reads the members of the resource behind its brace, and returns the
// position behind it in the source and behind its last member in the canonical text,
// where meta leaves nothing.
func (c *Converter) elements(i, o, k int) (int, int) {
	t := &c.tape
	if i = t.Skip(i); t.Byte(i) == '}' {
		return i + 1, k
	}
	for more := true; more; {
		from := k
		if i, k = t.Key(i, o, k); i < 0 {
			return i, k
		}
		name, value := span{from + 1, k - 2}, k
		if string(t.Text(name.from, name.to)) == "meta" {
			i = c.resourceMeta(name, i, o, k)
			k = from - 1 // where the comma before it stands, if there is one
		} else if i, k = t.Value(i, o, k, 1); i >= 0 {
			c.rememberElement(name, span{value, k})
		}
		if i < 0 {
			return i, k
		}
		if i, k, more = t.More(i, k, '}'); i < 0 {
			return i, k
		}
	}
	return i, k - 1
}

// rememberElement keeps what the rules ask for.
func (c *Converter) rememberElement(name, value span) {
	t, r := &c.tape, &c.row
	first := t.Text(value.from, value.to)[0]
	switch attributeOf(t.Text(name.from, name.to)) {
	case attrType:
		r.resourceType = field{value.unquoted(), true, first == '"'}
	case attrID:
		r.id = field{value.unquoted(), true, first == '"'}
	case attrOrdinary:
	default: // the tool should have dropped it
		if first != '{' && first != '[' {
			r.unknown = append(r.unknown, name)
		}
	}
}

// resourceMeta reads the value of meta.
func (c *Converter) resourceMeta(name span, i, o, k int) int {
	t := &c.tape
	form := t.Form()
	if c.row.has(attrMeta) {
		t.Twice(t.Text(name.from, name.to))
	}
	c.row.seen |= 1 << attrMeta
	if i = t.Skip(i); t.Byte(i) == '{' {
		i = c.resourceMetaMembers(i+1, o, k)
	} else {
		c.note(pipeline.BadMeta)
		i, _ = t.Value(i, o, k, 1)
	}
	t.Forget(form)
	return i
}

func (c *Converter) resourceMetaMembers(i, o, k int) int {
	t := &c.tape
	t.PutText(k, '{')
	k++
	base := t.Begin()
	if i = t.Skip(i); t.Byte(i) == '}' {
		c.row.metaEnd = i
		t.End(base, k)
		return i + 1
	}
	var profile, security, tag []byte
	for more := true; more; {
		from := k
		if i, k = t.Key(i, o, k); i < 0 {
			return i
		}
		value := k
		begin := t.Skip(i)
		if i, k = t.Value(begin, o, k, 2); i < 0 {
			return i
		}
		text := t.Text(value, k)
		switch string(t.Text(from, value)) {
		case `"profile":`:
			profile = t.Text(from, k)
		case `"security":`:
			security = t.Text(from, k)
		case `"tag":`:
			tag = t.Text(from, k)
			c.rememberTags(text, i-1)
		case `"versionId":`:
			c.row.seen |= 1 << attrVersion
			if text[0] == '"' {
				c.row.version = integer(text[1 : len(text)-1])
			}
		case `"lastUpdated":`:
			if text[0] == '"' {
				c.row.updatedRaw = span{begin + 1, i - 1}
				c.row.updated, c.row.updatedOK = parseInstant(text[1 : len(text)-1])
			}
		}
		if i, k, more = t.More(i, k, '}'); i < 0 {
			return i
		}
	}
	c.row.metaEnd = i - 1
	if c.row.defect == pipeline.NoReason {
		c.labels.Take(profile, security, tag)
	}
	t.Close(base, k-1)
	return i
}

// rememberTags looks at meta.tag, which ends at end in the source.
func (c *Converter) rememberTags(list []byte, end int) {
	if list[0] != '[' {
		c.note(pipeline.BadTag)
		return
	}
	c.row.tagEnd = end
	c.row.dated, c.row.deleted = digest.Added(list)
}

// identifyVersion reads version and status of a resource. Both were attributes of the
// row: the version is in meta, and in the folder's name; the tag says DELETED.
func (c *Converter) identifyVersion(r *Record) (pipeline.Reason, string) {
	row := &c.row
	switch {
	case !row.has(attrVersion):
		return pipeline.NoVersion, "meta.versionId"
	case row.version < 1 || row.version > 999_999_999 || c.Version != 0 && row.version != int64(c.Version):
		return pipeline.BadVersion, "meta.versionId"
	}
	r.Version, r.Status = uint32(row.version), pipeline.Available
	if row.deleted {
		r.Status = pipeline.Deleted
	}
	return pipeline.NoReason, ""
}

// appendResource appends the line without what is white space around it, and the tag
// of its time if that is not there.
func (c *Converter) appendResource(dst, line []byte) []byte {
	begin := len(line) - len(bytes.TrimLeft(line, space))
	shift := len(dst) - begin
	out := append(dst, bytes.TrimRight(line[begin:], space)...)
	r := &c.row
	if r.dated {
		return out
	}
	r.updatedRaw = span{r.updatedRaw.from + shift, r.updatedRaw.to + shift}
	if r.updatedRaw.to == shift { // there is none
		r.updatedRaw = span{}
	}
	r.metaEnd = behind(out, r.metaEnd+shift)
	if r.tagEnd > 0 {
		r.tagEnd = behind(out, r.tagEnd+shift)
	}
	return c.addTags(out, false)
}

// behind returns the position behind the last byte before end that is not white space.
func behind(out []byte, end int) int { return len(bytes.TrimRight(out[:end], space)) }
