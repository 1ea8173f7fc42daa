// Package digesttest is the oracle of packages digest and convert: it reads JSON
// with jsontext into a tree, and computes canonical text and digests from it in
// the plainest way. Only tests import it.
package digesttest

import (
	"bytes"
	"errors"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/go-json-experiment/json/jsontext" //nolint:depguard // only tests import this package
)

// Value is a JSON value.
type Value struct {
	Kind    jsontext.Kind // n f t " 0 { [
	Text    string        // decoded string, or number as written
	Names   []string      // of an object, decoded, in the order of the source
	Members []*Value      // of an object or array
}

// Get returns the first member with this name, or nil.
func (v *Value) Get(name string) *Value {
	for i, n := range v.Names {
		if n == name {
			return v.Members[i]
		}
	}
	return nil
}

// Set adds a member.
func (v *Value) Set(name string, member *Value) {
	v.Names, v.Members = append(v.Names, name), append(v.Members, member)
}

// String returns a string value.
func String(text string) *Value { return &Value{Kind: '"', Text: text} }

// Equal tells whether two values are the same, order and number texts included.
func Equal(a, b *Value) bool {
	if a.Kind != b.Kind || a.Text != b.Text || len(a.Names) != len(b.Names) || len(a.Members) != len(b.Members) {
		return false
	}
	for i, name := range a.Names {
		if name != b.Names[i] {
			return false
		}
	}
	for i, member := range a.Members {
		if !Equal(member, b.Members[i]) {
			return false
		}
	}
	return true
}

// Parse reads a text that holds one JSON value. A name that occurs twice in an
// object counts only if nothing else is wrong.
func Parse(text []byte) (*Value, pipeline.Reason) {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	v, err := read(d)
	if err == nil && len(bytes.Trim(text[d.InputOffset():], " \t\r\n")) > 0 {
		err = errors.New("something behind the value")
	}
	switch {
	case errors.Is(err, errTooDeep):
		return nil, pipeline.TooDeep
	case err != nil && strings.Contains(err.Error(), "invalid UTF-8"):
		return nil, pipeline.InvalidUTF8
	case err != nil:
		return nil, pipeline.NotJSON
	case twice(v):
		return nil, pipeline.DuplicateKey
	}
	return v, pipeline.NoReason
}

var errTooDeep = errors.New("too deep")

func read(d *jsontext.Decoder) (*Value, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	v := &Value{Kind: token.Kind()}
	switch v.Kind {
	case '"', '0':
		v.Text = token.String()
	case '{', '[':
		if d.StackDepth() > pipeline.MaxDepth {
			return nil, errTooDeep
		}
		for d.PeekKind() != v.Kind+2 {
			if v.Kind == '{' {
				name, err := d.ReadToken()
				if err != nil {
					return nil, err
				}
				v.Names = append(v.Names, name.String())
			}
			member, err := read(d)
			if err != nil {
				return nil, err
			}
			v.Members = append(v.Members, member)
		}
		_, err = d.ReadToken()
	}
	return v, err
}

func twice(v *Value) bool {
	seen := make(map[string]bool)
	for _, name := range v.Names {
		if seen[name] {
			return true
		}
		seen[name] = true
	}
	for _, member := range v.Members {
		if twice(member) {
			return true
		}
	}
	return false
}
