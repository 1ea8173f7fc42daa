package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

// Marks are what a target is known to add to resources of its own accord. A
// resource that equals ours without them is [MadeByTarget]. Changing them means
// to digest the export again.
type Marks struct {
	// Extensions are beginnings of the url of extensions of the outermost object,
	// of characters that JSON does not escape.
	Extensions []string
	// Tags are meta.tag elements in canonical text, like
	// {"display":"SYSTEM_GENERATED"}. A resource that bears one and is unknown to
	// the source was made by the target.
	Tags []string
}

// fingerprint names the marks, and with them what tuples mean.
func (m *Marks) fingerprint() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", m.Extensions, m.Tags))
	return hex.EncodeToString(sum[:8])
}

func (m *Marks) isTag(tag []byte) bool {
	for _, t := range m.Tags {
		if string(tag) == t {
			return true
		}
	}
	return false
}

// isExtension tells whether an element of extension, in canonical text, is the
// target's.
func (m *Marks) isExtension(element []byte) bool {
	if element[0] != '{' {
		return false
	}
	at, found := canon.Place(element, "url")
	if !found {
		return false
	}
	url, isText := bytes.CutPrefix(element[at+len(`"url":`):], []byte{'"'})
	for _, prefix := range m.Extensions {
		if isText && bytes.HasPrefix(url, []byte(prefix)) {
			return true
		}
	}
	return false
}

// withoutExtensions appends the canonical text of a resource to dst without the
// target's extensions; ok is false if it has none.
func (m *Marks) withoutExtensions(dst, content []byte) (_ []byte, ok bool) {
	const name = `"extension":`
	at, found := canon.Place(content, "extension")
	if !found || content[at+len(name)] != '[' {
		return dst, false
	}
	value := content[at+len(name):]
	size := canon.Element(value)
	rest := value[size:]
	start := len(dst)
	dst = append(dst, content[:at]...)
	dst = append(dst, name...)
	dst, ok = without(dst, value[:size], m.isExtension)
	if !ok {
		return dst[:start], false
	}
	if bytes.HasSuffix(dst, []byte(name+"[]")) { // none is left
		dst = dst[:start+at]
		switch {
		case rest[0] == ',':
			rest = rest[1:]
		case at > len("{"):
			dst = dst[:len(dst)-1]
		}
	}
	return append(dst, rest...), true
}

// withoutTags appends the member tag, in canonical text, to dst without the
// target's tags; ok is false if it has none.
func (m *Marks) withoutTags(dst, member []byte) (_ []byte, ok bool) {
	const name = `"tag":`
	if len(m.Tags) == 0 || !bytes.HasPrefix(member, []byte(name+"[")) {
		return dst, false
	}
	dst = append(dst, name...)
	return without(dst, member[len(name):], m.isTag)
}

// without appends a list, in canonical text, to dst without the elements that
// are the target's; ok tells whether there was one.
func without(dst, list []byte, theirs func([]byte) bool) (_ []byte, ok bool) {
	dst = append(dst, '[')
	empty := len(dst)
	for list = list[1:]; list[0] != ']'; {
		n := canon.Element(list)
		if theirs(list[:n]) {
			ok = true
		} else {
			if len(dst) > empty {
				dst = append(dst, ',')
			}
			dst = append(dst, list[:n]...)
		}
		if list = list[n:]; list[0] == ',' {
			list = list[1:]
		}
	}
	return append(dst, ']'), ok
}
