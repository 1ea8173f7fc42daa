package convert

import (
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

// kind is a DynamoDB type tag.
type kind uint8

const (
	kindNone kind = iota
	kindS
	kindN
	kindB
	kindBool
	kindNull
	kindM
	kindL
	kindSS
	kindNS
	kindBS
)

var kindNames = [...]string{"", "S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}

// The openings of the frequent types, as a word of source text.
const (
	six   = 1<<48 - 1 // mask of six bytes
	open  = '{' | '"'<<8 | '"'<<24 | ':'<<32
	openS = open | 'S'<<16 | '"'<<40 // {"S":"
	openN = open | 'N'<<16 | '"'<<40 // {"N":"
	openM = open | 'M'<<16 | '{'<<40 // {"M":{
	openL = open | 'L'<<16 | '['<<40 // {"L":[

	named   = '"' | ':'<<8      // behind a name
	memberS = named | openS<<16 // ":{"S":"
	memberN = named | openN<<16
	memberM = named | openM<<16
	memberL = named | openL<<16
)

// value copies a typed value, i being in front of it, within a map or list at
// this depth. It leaves its type in c.kind, kindNone if there is none.
func (c *Converter) value(i, o, k, depth int) (int, int, int) {
	t := &c.tape
	start := place{i, o, k}
	opening := t.Word(i) & six
	if depth >= pipeline.MaxDepth {
		opening = 0 // the general path says what is wrong
	}
	var kind kind
	switch opening {
	case openS:
		kind = kindS
		t.Put(o, k, '"')
		i, o, k = t.String(i+6, o+1, k+1)
	case openM:
		kind = kindM
		i, o, k = c.members(i+6, o, k, depth+2)
	case openL:
		kind = kindL
		i, o, k = c.list(i+6, o, k, depth+2)
	case openN:
		kind = kindN
		i, o, k = c.number(i+6, o, k)
	default:
		return c.slowValue(i, o, k, depth)
	}
	c.kind = kind
	if i >= 0 && t.Byte(i) == '}' {
		return i + 1, o, k
	}
	return c.slowClose(i, start, depth), o, k
}

// members copies a map behind its opening brace, which is at this depth.
func (c *Converter) members(i, o, k, depth int) (int, int, int) {
	t := &c.tape
	base := t.Begin()
	t.Put2(o, k, '{'|'"'<<8)
	more := true
	if t.Byte(i) != '"' {
		i, more = c.first(i, '}')
	}
	o, k = o+1, k+1
	for more {
		if i, o, k = c.member(i, o, k, depth); i < 0 {
			return i, o, k
		}
		if t.Byte(i) == ',' && t.Byte(i+1) == '"' {
			i++
		} else if i, more = c.next(i, '}'); !more {
			break
		}
		t.Put2(o, k, ','|'"'<<8)
		o, k = o+1, k+1
	}
	if i < 0 {
		return i, o, k
	}
	t.End(base, k)
	t.Put(o, k, '}')
	return i, o + 1, k + 1
}

// member copies one member of a map, i being in front of its name, whose
// opening quote is already in both outputs.
func (c *Converter) member(i, o, k, depth int) (int, int, int) {
	t := &c.tape
	if t.Byte(i) != '"' {
		return t.Fail(pipeline.NotJSON), o, k
	}
	if i, o, k = t.Name(i+1, o+1, k+1); i < 0 {
		return i, o, k
	}
	opening := t.Word(i - 1)    // from the name's closing quote
	start := place{i + 1, o, k} // of the value, behind the colon
	if depth >= pipeline.MaxDepth {
		opening = 0
	}
	switch opening {
	case memberS:
		t.Put2(o, k, ':'|'"'<<8)
		if t.Before(k) == canon.EndOfReference {
			i, o, k = c.reference(i, o, k)
			break
		}
		i, o, k = t.String(i+7, o+2, k+2)
	case memberM:
		t.Put(o, k, ':')
		i, o, k = c.members(i+7, o+1, k+1, depth+2)
	case memberL:
		t.Put(o, k, ':')
		i, o, k = c.list(i+7, o+1, k+1, depth+2)
	case memberN:
		t.Put(o, k, ':')
		i, o, k = c.number(i+7, o+1, k+1)
	default:
		t.Put(o, k, ':')
		if i = t.Colon(i); i < 0 {
			return i, o, k
		}
		from := k + 1
		if i, o, k = c.value(i, o+1, k+1, depth); i >= 0 {
			t.Refer(from, k)
		}
		return i, o, k
	}
	if i >= 0 && t.Byte(i) == '}' {
		return i + 1, o, k
	}
	return c.slowClose(i, start, depth), o, k
}

// place is a place in the source and in both outputs.
type place struct{ i, o, k int }

// list copies a list behind its opening bracket, which is at this depth.
func (c *Converter) list(i, o, k, depth int) (int, int, int) {
	t := &c.tape
	t.Put(o, k, '[')
	o, k = o+1, k+1
	more := true
	if t.Byte(i) != '{' {
		i, more = c.first(i, ']')
	}
	for more {
		if i, o, k = c.value(i, o, k, depth); i < 0 {
			return i, o, k
		}
		if t.Byte(i) == ',' {
			i++
		} else if i, more = c.next(i, ']'); !more {
			break
		}
		t.Put(o, k, ',')
		o, k = o+1, k+1
	}
	if i < 0 {
		return i, o, k
	}
	t.Put(o, k, ']')
	return i, o + 1, k + 1
}

// number copies a number, i being behind the opening quote of its string.
func (c *Converter) number(i, o, k int) (int, int, int) {
	i, o, k, ok := c.tape.Quoted(i, o, k)
	if !ok && i >= 0 {
		c.note(pipeline.BadNumber)
	}
	return i, o, k
}
