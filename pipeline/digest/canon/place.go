package canon

// Place returns where the member of this name begins in the canonical text of an
// object, or, with found false, where it would begin: in front of another member
// or of the closing brace. A name of lower-case letters is compared as it is:
// they are greater than the backslash and than all that is written with one.
func Place(object []byte, name string) (at int, found bool) {
	at = len("{")
	for object[at] != '}' {
		n := Element(object[at:])
		if other := object[at+1 : at+n-1]; string(other) >= name {
			return at, string(other) == name
		}
		at += n + len(":")
		at += Element(object[at:])
		if object[at] == ',' {
			at++
		}
	}
	return at, false
}

// Element returns the length of the canonical value that text begins with.
func Element(text []byte) int {
	depth, quoted := 0, false
	for n := 0; n < len(text); n++ {
		b := text[n]
		switch {
		case quoted && b == '\\':
			n++
		case b == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return n + 1
			}
		case quoted:
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			if depth--; depth == 0 {
				return n + 1
			}
			if depth < 0 {
				return n
			}
		case b == ',' && depth == 0:
			return n
		}
	}
	return len(text)
}
