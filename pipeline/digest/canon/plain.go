package canon

import "github.com/fhirhose/fhirhose/pipeline"

// Value reads any JSON value, white space before it included, i being in front
// of it, and depth the number of objects and arrays around it. It writes
// canonical text only; what lies behind o in the verbatim copy is lost.
func (t *Tape) Value(i, o, k, depth int) (int, int) {
	i = t.Skip(i)
	switch t.Byte(i) {
	case '"':
		t.PutText(k, '"')
		i, _, k = t.String(i+1, o, k+1)
		return i, k
	case '{':
		if depth >= pipeline.MaxDepth {
			return t.Fail(pipeline.TooDeep), k
		}
		return t.Object(i+1, o, k, depth+1)
	case '[':
		if depth >= pipeline.MaxDepth {
			return t.Fail(pipeline.TooDeep), k
		}
		return t.array(i+1, o, k, depth+1)
	case 't':
		return t.literal(i, k, "true")
	case 'f':
		return t.literal(i, k, "false")
	case 'n':
		return t.literal(i, k, "null")
	}
	i, _, k = t.Number(i, o, k)
	if i < 0 {
		return t.Fail(pipeline.NotJSON), k
	}
	return i, k
}

// Skim reads any JSON value as Value does, and as strictly, but keeps nothing of
// it: the text that it needs meanwhile is no longer than the source.
func (t *Tape) Skim(i, o, k, depth int) int {
	t.skim++
	i, _ = t.Value(i, o, k, depth)
	t.skim--
	return i
}

func (t *Tape) literal(i, k int, text string) (int, int) {
	if !t.Is(i, text) {
		return t.Fail(pipeline.NotJSON), k
	}
	return i + len(text), k + copy(t.text[k:], text)
}

// Is tells whether the source goes on with text at i.
func (t *Tape) Is(i int, text string) bool {
	return i+len(text) <= len(t.src) && string(t.src[i:i+len(text)]) == text
}

// Object reads an object behind its opening brace, as Value does.
func (t *Tape) Object(i, o, k, depth int) (int, int) {
	t.PutText(k, '{')
	k++
	base := t.Begin()
	if t.skim > 0 { // names of type tags are no part of an element path
		t.Hide()
	}
	if i = t.Skip(i); t.Byte(i) == '}' {
		t.PutText(k, '}')
		t.End(base, k)
		return i + 1, k + 1
	}
	return t.Members(i, o, k, depth, base)
}

// Members reads the members from i to the end of the innermost open object and
// closes it.
func (t *Tape) Members(i, o, k, depth, base int) (int, int) {
	for more := true; more; {
		from := k
		if i, k = t.Key(i, o, k); i < 0 {
			return i, k
		}
		value := k
		if i, k = t.Value(i, o, k, depth); i < 0 {
			return i, k
		}
		if value-from == len(referenceName)+len(":") {
			t.Refer(value, k)
		}
		if t.skim > 0 {
			k = value
		}
		if i, k, more = t.More(i, k, '}'); i < 0 {
			return i, k
		}
	}
	t.End(base, k-1)
	return i, k
}

// Key reads a member's name and its colon, with white space around them.
func (t *Tape) Key(i, o, k int) (int, int) {
	if i = t.Skip(i); t.Byte(i) != '"' {
		return t.Fail(pipeline.NotJSON), k
	}
	t.PutText(k, '"')
	if i, _, k = t.Name(i+1, o, k+1); i < 0 {
		return i, k
	}
	t.PutText(k, ':')
	return t.Colon(i), k + 1
}

// Colon returns the position behind the colon that must come next.
func (t *Tape) Colon(i int) int {
	if i = t.Skip(i); t.Byte(i) != ':' {
		return t.Fail(pipeline.NotJSON)
	}
	return i + 1
}

// More reads the comma or the closing bracket that must come next, and copies
// it to the canonical text; more tells that it was a comma.
func (t *Tape) More(i, k int, closing byte) (_, _ int, more bool) {
	i = t.Skip(i)
	b := t.Byte(i)
	if b != ',' && b != closing {
		return t.Fail(pipeline.NotJSON), k, false
	}
	t.PutText(k, b)
	return i + 1, k + 1, b == ','
}

func (t *Tape) array(i, o, k, depth int) (int, int) {
	t.PutText(k, '[')
	k++
	if i = t.Skip(i); t.Byte(i) == ']' {
		t.PutText(k, ']')
		return i + 1, k + 1
	}
	first := k
	for more := true; more; {
		if t.skim > 0 {
			k = first
		}
		if i, k = t.Value(i, o, k, depth); i < 0 {
			return i, k
		}
		if i, k, more = t.More(i, k, ']'); i < 0 {
			return i, k
		}
	}
	return i, k
}
