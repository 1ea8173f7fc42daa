package canon

// maxElement is the longest element name that a path shows.
const maxElement = 64

// AppendPath appends the element path of the place where the scan is, e.g.
// "name.given". Names that are not like FHIR's are shown as "?", because they
// may hold anything (I10).
func (t *Tape) AppendPath(path []byte) []byte {
	path = t.appendOuterPath(path)
	if n := len(t.open); n > 0 && t.open[n-1] >= 0 && len(t.members) > int(t.open[n-1]) {
		path = AppendElement(path, t.name(t.members[len(t.members)-1]))
	}
	return path
}

// appendOuterPath appends the path of the innermost open object.
func (t *Tape) appendOuterPath(path []byte) []byte {
	for n := 1; n < len(t.open); n++ {
		base, next := t.open[n-1], t.open[n]
		if next < 0 {
			next = ^next
		}
		if base >= 0 && next > base {
			path = AppendElement(path, t.name(t.members[next-1]))
		}
	}
	return path
}

// AppendElement appends one name to an element path.
func AppendElement(path, name []byte) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	if !IsElement(name) {
		return append(path, '?')
	}
	return append(path, name...)
}

// IsElement tells whether name is like the name of a FHIR element:
// ^[A-Za-z_][A-Za-z0-9]{0,63}$. Only such names are ever shown.
func IsElement(name []byte) bool {
	if len(name) == 0 || len(name) > maxElement || '0' <= name[0] && name[0] <= '9' {
		return false
	}
	for j, b := range name {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		if !letter && (b < '0' || b > '9') && (b != '_' || j > 0) {
			return false
		}
	}
	return true
}
