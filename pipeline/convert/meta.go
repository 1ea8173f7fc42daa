package convert

import (
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

// meta reads the value of the attribute meta.
func (c *Converter) meta(i, o, k int) (int, int, int) {
	start := place{i, o, k}
	if c.tape.Word(i)&six == openM {
		i, o, k = c.metaMembers(i+6, o, k)
		c.kind = kindM
		i = c.slowClose(i, start, itemDepth)
	} else {
		c.inMeta = true
		i, o, k = c.slowValue(i, o, k, itemDepth)
		c.inMeta = false
	}
	if i >= 0 && c.kind != kindM {
		c.note(pipeline.BadMeta)
	}
	return i, o, k
}

// metaMembers copies the map in meta as members does, and keeps the labels, the
// time and the place where tags are added.
func (c *Converter) metaMembers(i, o, k int) (int, int, int) {
	t := &c.tape
	base := t.Begin()
	t.Put(o, k, '{')
	o, k = o+1, k+1
	i, more := c.first(i, '}')
	var profile, security, tag []byte
	for more {
		from := k
		if i, o, k = c.name(i, o, k); i < 0 {
			return i, o, k
		}
		fromO, value := o, k
		if i, o, k = c.value(i, o, k, metaDepth); i < 0 {
			return i, o, k
		}
		switch string(t.Text(from, value)) {
		case `"profile":`:
			profile = t.Text(from, k)
		case `"security":`:
			security = t.Text(from, k)
		case `"tag":`:
			tag = t.Text(from, k)
			c.row.tagEnd = o - 1
			if c.kind != kindL {
				c.note(pipeline.BadTag)
			}
		case `"lastUpdated":`:
			if c.kind == kindS {
				c.row.updatedRaw = span{fromO + 1, o - 1}
				c.row.updated, c.row.updatedOK = parseInstant(t.Text(value+1, k-1))
			}
		}
		if i, more = c.next(i, '}'); more {
			t.Put(o, k, ',')
			o, k = o+1, k+1
		}
	}
	if i < 0 {
		return i, o, k
	}
	c.row.metaEnd = o
	if c.row.defect == pipeline.NoReason { // else the text may be no canonical text
		c.labels.Take(profile, security, tag)
	}
	t.Close(base, k)
	t.Put(o, k, '}')
	return i, o + 1, k + 1
}

// addTags adds our tags to the resource at the end of out: they keep what a
// target overwrites or cannot express.
func (c *Converter) addTags(out []byte, deleted bool) []byte {
	r := &c.row
	updated := r.updatedRaw.to > 0
	if !updated && !deleted {
		return out
	}
	tags, at := c.added[:0], r.tagEnd
	list := at > 0
	if !list {
		at = r.metaEnd
	}
	if b := out[at-1]; b != '[' && b != '{' { // something stands before it
		tags = append(tags, ',')
	}
	if !list {
		tags = append(tags, `"tag":[`...)
	}
	if updated {
		tags = append(tags, `{"display":"`...)
		tags = append(tags, out[r.updatedRaw.from:r.updatedRaw.to]...)
		tags = append(tags, `","code":"originalLastUpdated"}`...)
	}
	if updated && deleted {
		tags = append(tags, ',')
	}
	if deleted {
		tags = append(tags, `{"display":"DELETED","code":"DELETED"}`...)
	}
	if !list {
		tags = append(tags, ']')
	}
	c.added = tags
	return slices.Insert(out, at, tags...)
}
