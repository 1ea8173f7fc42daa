package digest

import (
	"bytes"

	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
)

// noLabels is SHA-256 of "{}": the label digest of a resource without labels.
var noLabels = [sha.Size]byte{
	0x44, 0x13, 0x6f, 0xa3, 0x55, 0xb3, 0x67, 0x8a, 0x11, 0x46, 0xad, 0x16, 0xf7, 0xe8, 0x64, 0x9e,
	0x94, 0xfb, 0x4f, 0xc2, 0x1f, 0xe7, 0x7e, 0x83, 0x10, 0xc0, 0x60, 0xf6, 0x1c, 0xaa, 0xff, 0x8a,
}

// Labels computes the label digest of one resource after the other. The zero
// value stands for a resource without labels.
type Labels struct {
	text []byte // canonical text of the labels; empty if there are none
	last []byte // the text before that was hashed, and its digest: labels repeat
	sum  [sha.Size]byte
}

// Reset starts a new resource.
func (l *Labels) Reset() { l.text = l.text[:0] }

// Take keeps the labels of meta: the canonical texts, name and value, of these
// members, nil where there is none.
func (l *Labels) Take(profile, security, tag []byte) {
	l.text = append(l.text[:0], '{')
	l.add(profile)
	l.add(security)
	if tag != nil {
		l.addTags(tag)
	}
	l.text = append(l.text, '}')
}

// Sum returns the label digest.
func (l *Labels) Sum() [sha.Size]byte {
	if len(l.text) <= len("{}") {
		return noLabels
	}
	if !bytes.Equal(l.text, l.last) {
		l.last = append(l.last[:0], l.text...)
		l.sum = sha.Of(l.text)
	}
	return l.sum
}

func (l *Labels) add(member []byte) {
	if member == nil {
		return
	}
	if len(l.text) > 1 {
		l.text = append(l.text, ',')
	}
	l.text = append(l.text, member...)
}

// addTags adds the member tag without the tags that we add; if none is left it
// adds nothing.
func (l *Labels) addTags(member []byte) {
	const opening = `"tag":[`
	start := len(l.text)
	if !bytes.HasPrefix(member, []byte(opening)) { // no list
		l.add(member)
		return
	}
	l.add([]byte(opening))
	empty := len(l.text)
	for list := member[len(opening):]; list[0] != ']'; {
		n := canon.Element(list)
		if !AddedTag(list[:n]) {
			if len(l.text) > empty {
				l.text = append(l.text, ',')
			}
			l.text = append(l.text, list[:n]...)
		}
		if list = list[n:]; list[0] == ',' {
			list = list[1:]
		}
	}
	if len(l.text) == empty {
		l.text = l.text[:start]
		return
	}
	l.text = append(l.text, ']')
}

// Added tells which of the tags that package convert adds are in the canonical text
// of a list of tags.
func Added(list []byte) (updated, deleted bool) {
	for list = list[1:]; list[0] != ']'; {
		n := canon.Element(list)
		switch tag := list[:n]; {
		case string(tag) == deletedTag:
			deleted = true
		case AddedTag(tag):
			updated = true
		}
		if list = list[n:]; list[0] == ',' {
			list = list[1:]
		}
	}
	return updated, deleted
}

// deletedTag is canonical text.
const deletedTag = `{"code":"DELETED","display":"DELETED"}`

// AddedTag tells whether a tag, in canonical text, is one of those that package
// convert adds: exactly code and display, and no system.
func AddedTag(tag []byte) bool {
	const updated = `{"code":"originalLastUpdated","display":"`
	if string(tag) == deletedTag {
		return true
	}
	display, ok := bytes.CutPrefix(tag, []byte(updated))
	return ok && canon.Element(tag[len(updated)-1:]) == len(display) // its quote for the closing brace
}
