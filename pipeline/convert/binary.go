package convert

import "github.com/fhirhose/fhirhose/pipeline/digest/canon"

// halve splits the canonical text of a Binary where that of its content belongs,
// so that who adds the content later needs to parse nothing.
func (c *Converter) halve(r *Record) {
	text := c.row.content
	at, found := canon.Place(text, c.binaryField)
	if r.HasData = found; found {
		return
	}
	last := text[at] == '}'
	out := append(c.halves[:0], text[:at]...)
	if last { // a resource has a type, which stands before it
		out = append(out, ',')
	}
	out = append(append(append(out, '"'), c.binaryField...), `":"`...)
	n := len(out)
	out = append(out, '"')
	if !last {
		out = append(out, ',')
	}
	out = append(out, text[at:]...)
	c.halves = out
	r.Before, r.After = out[:n:n], out[n:]
}
