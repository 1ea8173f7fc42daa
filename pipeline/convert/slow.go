package convert

import "github.com/fhirhose/fhirhose/pipeline"

// first returns the position of the first element of a map or list, i being
// behind its opening bracket, or, with more false, behind its closing one.
func (c *Converter) first(i int, closing byte) (_ int, more bool) {
	t := &c.tape
	if i = t.Skip(i); t.Byte(i) == closing {
		return i + 1, false
	}
	return i, true
}

// next returns the position of the next element, i being behind the last one,
// or, with more false, the one behind the closing bracket.
func (c *Converter) next(i int, closing byte) (_ int, more bool) {
	t := &c.tape
	switch i = t.Skip(i); t.Byte(i) {
	case ',':
		return t.Skip(i + 1), true
	case closing:
		return i + 1, false
	}
	return t.Fail(pipeline.NotJSON), false
}

// note remembers the first defect of a row and where the scan is.
func (c *Converter) note(why pipeline.Reason) {
	if c.row.defect == pipeline.NoReason {
		c.row.defect = why
		c.row.path = c.tape.AppendPath(c.row.path[:0])
	}
}

// slowValue copies any typed value as value does: with white space, of a rare
// type, too deep, or wrong.
func (c *Converter) slowValue(i, o, k, depth int) (int, int, int) {
	t := &c.tape
	c.kind = kindNone
	start := place{i, o, k}
	if i = t.Skip(i); t.Byte(i) != '{' {
		c.note(pipeline.BadAttribute)
		return t.Skim(i, o, k, depth), o, k
	}
	if depth >= pipeline.MaxDepth {
		return t.Fail(pipeline.TooDeep), o, k
	}
	if i = t.Skip(i + 1); t.Byte(i) == '}' {
		c.note(pipeline.BadAttribute)
		return i + 1, o, k
	}
	if t.Byte(i) != '"' {
		return t.Fail(pipeline.NotJSON), o, k
	}
	i, _, end := t.String(i+1, o, k)
	if i < 0 {
		return i, o, k
	}
	kind := kindOf(t.Text(k, end-1))
	if kind == kindNone {
		c.note(pipeline.BadAttribute)
		return t.Skim(start.i, o, k, depth), o, k
	}
	if i = t.Colon(i); i < 0 {
		return i, o, k
	}
	if i, o, k = c.typed(kind, t.Skip(i), o, k, depth+1); i < 0 {
		return i, o, k
	}
	return c.slowClose(i, start, depth), o, k
}

// slowClose returns the position behind the brace that closes a typed value,
// which began at start within a map or list at this depth. i may be negative.
func (c *Converter) slowClose(i int, start place, depth int) int {
	t := &c.tape
	if i < 0 {
		return i
	}
	if i = t.Skip(i); t.Byte(i) == '}' {
		return i + 1
	}
	if t.Byte(i) != ',' {
		return t.Fail(pipeline.NotJSON)
	}
	c.note(pipeline.BadAttribute) // a second type
	c.kind = kindNone
	return t.Skim(start.i, start.o, start.k, depth)
}

func kindOf(tag []byte) kind {
	for i, name := range kindNames {
		if string(tag) == name {
			return kind(i)
		}
	}
	return kindNone
}

// typed copies what stands behind a type tag, at this depth, and sets c.kind. A
// value of the wrong shape is noted and passed over.
func (c *Converter) typed(kind kind, i, o, k, depth int) (int, int, int) {
	t := &c.tape
	b := t.Byte(i)
	inMeta := c.inMeta
	c.inMeta = false
	switch {
	case (kind == kindS || kind == kindB) && b == '"':
		t.Put(o, k, '"')
		i, o, k = t.String(i+1, o+1, k+1)
	case kind == kindN && b == '"':
		i, o, k = c.number(i+1, o, k)
	case kind == kindBool && t.Is(i, "true"):
		i, o, k = c.literal(i, o, k, "true", "true")
	case kind == kindBool && t.Is(i, "false"):
		i, o, k = c.literal(i, o, k, "false", "false")
	case kind == kindNull && t.Is(i, "true"):
		i, o, k = c.literal(i, o, k, "true", "null")
	case (kind == kindM && b == '{' || kind >= kindL && b == '[') && depth >= pipeline.MaxDepth:
		i = t.Fail(pipeline.TooDeep)
	case kind == kindM && b == '{' && inMeta:
		i, o, k = c.metaMembers(i+1, o, k)
	case kind == kindM && b == '{':
		i, o, k = c.members(i+1, o, k, depth+1)
	case kind == kindL && b == '[':
		i, o, k = c.list(i+1, o, k, depth+1)
	case kind >= kindSS && b == '[':
		i, o, k = c.set(kind, i+1, o, k, depth+1)
	default:
		c.note(pipeline.BadAttribute)
		i = t.Skim(i, o, k, depth)
		kind = kindNone
	}
	c.kind = kind
	return i, o, k
}

func (c *Converter) literal(i, o, k int, source, output string) (int, int, int) {
	o, k = c.tape.PutBoth(o, k, output)
	return i + len(source), o, k
}

// set copies a set behind its opening bracket, as an array.
func (c *Converter) set(kind kind, i, o, k, depth int) (int, int, int) {
	t := &c.tape
	t.Put(o, k, '[')
	o, k = o+1, k+1
	i, more := c.first(i, ']')
	for more {
		switch {
		case t.Byte(i) != '"':
			c.note(pipeline.BadAttribute)
			i = t.Skim(i, o, k, depth)
		case kind == kindNS:
			i, o, k = c.number(i+1, o, k)
		default:
			t.Put(o, k, '"')
			i, o, k = t.String(i+1, o+1, k+1)
		}
		if i < 0 {
			return i, o, k
		}
		if i, more = c.next(i, ']'); more {
			t.Put(o, k, ',')
			o, k = o+1, k+1
		}
	}
	t.Put(o, k, ']')
	return i, o + 1, k + 1
}
