package diff

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

// mostSteps bounds a path. What lies deeper is said of the element around it.
const mostSteps = 32

// comparison is one Compare.
type comparison struct {
	*Differ
	ours, theirs *Text
	most         int
	found        []Difference
	more         int
}

// Compare returns the elements in which theirs differs from ours, at most so many,
// and how many more there are: first those of the content, then profiles, security
// labels and tags. Nothing else of meta is compared, nor are the tags that we add.
func (d *Differ) Compare(resourceType string, ours, theirs *Text, most int) (found []Difference, more int) {
	c := comparison{Differ: d, ours: ours, theirs: theirs, most: most}
	a, b := members(ours.canonical), members(theirs.canonical)
	root := path{text: rootOf(resourceType)}
	c.extensions(root, a, b)
	c.labels(root, a, b)
	for _, of := range []*object{a, b} {
		delete(of.values, `"extension":`)
		delete(of.values, `"meta":`)
	}
	labels := c.found
	c.found = nil
	c.members(root, a, b)
	all := append(c.found, labels...)
	if n := len(all); n > most {
		c.more += n - most
		all = all[:most]
	}
	return all, c.more
}

// path is where a comparison is.
type path struct {
	text  string
	steps int
}

func (p path) member(key string) path { return path{p.text + "." + nameOf(key), p.steps + 1} }

func (p path) element(i int) path { return path{fmt.Sprintf("%s[%d]", p.text, i), p.steps + 1} }

func (c *comparison) add(p path, kind Kind) {
	if len(c.found) == c.most {
		c.more++
		return
	}
	c.found = append(c.found, Difference{p.text, kind})
}

// object is an object in canonical text, members by name, with quotes and colon.
type object struct {
	names  []string // in order
	values map[string][]byte
}

// members takes an object apart; of another value there are none.
func members(text []byte) *object {
	o := &object{values: make(map[string][]byte)}
	if len(text) == 0 || text[0] != '{' {
		return o
	}
	for text = text[1:]; text[0] != '}'; {
		n := canon.Element(text) + len(":")
		name := string(text[:n])
		text = text[n:]
		n = canon.Element(text)
		o.names = append(o.names, name)
		o.values[name] = text[:n]
		if text = text[n:]; text[0] == ',' {
			text = text[1:]
		}
	}
	return o
}

// item is an element of a list.
type item struct {
	index int
	text  []byte
}

// items takes a list apart; isList is false of another value.
func items(text []byte) (all []item, isList bool) {
	if len(text) == 0 || text[0] != '[' {
		return nil, false
	}
	for text = text[1:]; text[0] != ']'; {
		n := canon.Element(text)
		all = append(all, item{len(all), text[:n]})
		if text = text[n:]; text[0] == ',' {
			text = text[1:]
		}
	}
	return all, true
}

// value compares what both sides have.
func (c *comparison) value(p path, ours, theirs []byte) {
	if bytes.Equal(ours, theirs) {
		return
	}
	a, b := typeOf(ours), typeOf(theirs)
	switch {
	case a != b:
		c.add(p, OtherType)
	case p.steps == mostSteps:
		c.add(p, Changed)
	case a == '{':
		c.members(p, members(ours), members(theirs))
	case a == '[':
		all, _ := items(ours)
		others, _ := items(theirs)
		c.items(p, all, others)
	case a == '0':
		c.add(p, Digits)
	case a == '"' && c.truncated(ours, theirs):
		c.add(p, Truncated)
	default:
		c.add(p, Changed)
	}
}

// typeOf returns the JSON type of a value: { [ " 0 t n.
func typeOf(value []byte) byte {
	switch b := value[0]; {
	case b == '-' || b >= '0' && b <= '9':
		return '0'
	case b == 'f':
		return 't'
	default:
		return b
	}
}

func (c *comparison) members(p path, ours, theirs *object) {
	for _, name := range ours.names {
		a, has := ours.values[name]
		if !has {
			continue
		}
		if b, has := theirs.values[name]; has {
			c.value(p.member(name), a, b)
		} else {
			c.add(p.member(name), Missing)
		}
	}
	for _, name := range theirs.names {
		_, has := theirs.values[name]
		if _, known := ours.values[name]; has && !known {
			c.add(p.member(name), Added)
		}
	}
}

// items compares lists. What is the same at both ends stays out, then what both
// sides have at all; the rest goes together in its order.
func (c *comparison) items(p path, ours, theirs []item) {
	for len(ours) > 0 && len(theirs) > 0 && bytes.Equal(ours[0].text, theirs[0].text) {
		ours, theirs = ours[1:], theirs[1:]
	}
	for len(ours) > 0 && len(theirs) > 0 && bytes.Equal(ours[len(ours)-1].text, theirs[len(theirs)-1].text) {
		ours, theirs = ours[:len(ours)-1], theirs[:len(theirs)-1]
	}
	had := len(ours) > 0
	ours, theirs = without(ours, theirs), without(theirs, ours)
	if had && len(ours) == 0 && len(theirs) == 0 {
		c.add(p, Order)
		return
	}
	n := min(len(ours), len(theirs))
	for i := range n {
		c.value(p.element(ours[i].index), ours[i].text, theirs[i].text)
	}
	for _, it := range ours[n:] {
		c.add(p.element(it.index), Missing)
	}
	for _, it := range theirs[n:] {
		c.add(p.element(it.index), Added)
	}
}

// without returns the items that the other list does not have, or not as often.
func without(list, other []item) (rest []item) {
	has := make(map[string]int)
	for _, it := range other {
		has[string(it.text)]++
	}
	for _, it := range list {
		if has[string(it.text)] > 0 {
			has[string(it.text)]--
			continue
		}
		rest = append(rest, it)
	}
	return rest
}

// truncated tells whether theirs is the beginning of our string.
func (c *comparison) truncated(ours, theirs []byte) bool {
	a, b := c.ours.long[string(ours)], c.theirs.long[string(theirs)]
	switch {
	case a == nil && b == nil:
		return bytes.HasPrefix(ours, theirs[:len(theirs)-1])
	case b != nil: // a string that is not long is no longer than that
		return a != nil && a.length > b.length && a.prefixes[b.length] == b.sum
	}
	return bytes.HasPrefix(a.head, decoded(theirs))
}

// decoded returns the content of a string.
func decoded(text []byte) []byte {
	s := newStringReader(nil)
	s.write(text[1 : len(text)-1])
	return s.end().head
}

// extensions compares those of the resource, less those that the target adds.
func (c *comparison) extensions(root path, ours, theirs *object) {
	const name = `"extension":`
	a, b := ours.values[name], theirs.values[name]
	all, isList := items(a)
	others, areList := items(b)
	if a != nil && !isList || !areList {
		c.member(root, name, a, b)
		return
	}
	left := slices.DeleteFunc(slices.Clone(others), func(it item) bool {
		mine := slices.ContainsFunc(all, func(our item) bool { return bytes.Equal(our.text, it.text) })
		return !mine && c.marks.Extension(it.text)
	})
	if a == nil && len(left) == len(others) || a != nil && len(left) == 0 && len(others) > 0 {
		if a != nil {
			b = nil
		}
		c.member(root, name, a, b)
		return
	}
	c.items(root.member(name), all, left)
}

// member compares a member that either side may lack; nil is of one that does.
func (c *comparison) member(p path, name string, ours, theirs []byte) {
	p = p.member(name)
	switch {
	case ours == nil && theirs == nil:
	case theirs == nil:
		c.add(p, Missing)
	case ours == nil:
		c.add(p, Added)
	default:
		c.value(p, ours, theirs)
	}
}
