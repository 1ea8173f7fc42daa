package canon

import "bytes"

// References counts what a resource refers to, in elements named reference of any of
// its elements. Neither host nor id is kept (I10).
type References struct {
	Absolute  int64 // by the URL of a server
	Versioned int64 // to one version of a resource
}

const referenceName = `"reference"`

// EndOfReference is the end of such a name, with its quote, as a word of text.
const EndOfReference = 'f' | 'e'<<8 | 'r'<<16 | 'e'<<24 | 'n'<<32 | 'c'<<40 | 'e'<<48 | '"'<<56

// Refer looks at a member's value in the canonical text, in which a colon and the
// member's name stand before it, and counts what it refers to.
func (t *Tape) Refer(from, to int) {
	name := from - len(":") - len(referenceName)
	if name < 0 || string(t.Text(name, from-1)) != referenceName {
		return
	}
	value, isString := bytes.CutPrefix(t.Text(from, to), []byte{'"'})
	if !isString {
		return
	}
	value = value[:len(value)-1]
	if bytes.HasPrefix(value, []byte("http://")) || bytes.HasPrefix(value, []byte("https://")) {
		t.References.Absolute++
	}
	// Neither the type nor the id of a resource has an underscore.
	if bytes.IndexByte(value, '_') >= 0 && bytes.Contains(value, []byte("/_history/")) {
		t.References.Versioned++
	}
}
