package canon

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

// member is one member of an open object. Its two words are stored and loaded
// one by one: a wider load would have to wait for both stores.
type member struct {
	prefix uint64 // first eight bytes of the decoded name, big-endian, padded with 0
	where  uint64 // of its text: start<<32 | end
}

// start is where the opening quote of the name stands in the canonical text.
func (m member) start() int { return int(m.where >> 32) }

// end is the position behind the value; it is known from close on.
func (m member) end() int { return int(uint32(m.where)) }

// newMember returns a member that starts at k.
func newMember(prefix uint64, k int) member { return member{prefix, uint64(k) << 32} }

// Begin opens an object whose brace has been read, and returns its number for
// End.
func (t *Tape) Begin() (base int) {
	base = len(t.members)
	t.open = append(t.open, frame(base))
	return base
}

// Hide keeps the names of the innermost open object, which has none yet, out of
// element paths.
func (t *Tape) Hide() { t.open[len(t.open)-1] = ^t.open[len(t.open)-1] }

// Name reads the name of the next member of the innermost open object, i being
// behind its opening quote, which is already in both outputs.
func (t *Tape) Name(i, o, k int) (int, int, int) {
	x := t.Word(i)
	if m := special(x); m != 0 {
		n := bits.TrailingZeros64(m) &^ 7
		if byte(x>>n) == '"' {
			store8(at(t.raw, o), 0, x)
			store8(at(t.text, k), 0, x)
			prefix := bits.ReverseBytes64(x) &^ (^uint64(0) >> n)
			t.members = append(t.members, newMember(prefix, k-1))
			n = n>>3 + 1
			return i + n, o + n, k + n
		}
	}
	return t.longName(i, o, k, x)
}

// longName reads a name of eight bytes or more, or one with unusual characters;
// x are its first bytes.
func (t *Tape) longName(i, o, k int, x uint64) (int, int, int) {
	m := newMember(0, k-1)
	if special(x) == 0 {
		store8(at(t.raw, o), 0, x)
		store8(at(t.text, k), 0, x)
		m.prefix = bits.ReverseBytes64(x)
		i, o, k = t.String(i+8, o+8, k+8)
	} else {
		from := k
		if i, o, k = t.String(i, o, k); i >= 0 {
			m.prefix = prefixOf(t.text[from : k-1])
		}
	}
	t.members = append(t.members, m)
	return i, o, k
}

// Forget drops the newest member of the innermost open object, of which nothing
// shall stay in the canonical text, and the numbers in it: form is what Form returned
// before. Whether its name occurs twice is the caller's concern then, see [Tape.Twice].
func (t *Tape) Forget(form uint32) {
	t.members = t.members[:len(t.members)-1]
	t.form = form
}

// End closes the innermost object: k is behind the last value in the canonical
// text, whose members are put in order in place.
func (t *Tape) End(base, k int) {
	m := t.members[base:]
	if !ascending(m) {
		first := m[0].start()
		t.order(m, k)
		t.permute(m, first, k)
	}
	t.pop(base)
}

// Close closes the innermost object as End does, but only looks for names that
// occur twice: the canonical text stays as it is.
func (t *Tape) Close(base, k int) {
	if m := t.members[base:]; !ascending(m) {
		t.order(m, k)
	}
	t.pop(base)
}

// ascending tells whether members are in order, as far as their prefixes tell.
func ascending(m []member) bool {
	for j := 1; j < len(m); j++ {
		if m[j-1].prefix >= m[j].prefix {
			return false
		}
	}
	return true
}

func (t *Tape) pop(base int) {
	t.members = t.members[:base]
	t.open = t.open[:len(t.open)-1]
}

// Content closes the innermost object, as End does, but returns its canonical
// text, valid until the next call of End or Content. The text that Text returns
// stays where it is.
func (t *Tape) Content(base, k int) []byte {
	m := t.members[base:]
	t.order(m, k)
	t.scratch = grown(t.scratch, k+1)
	out := append(t.scratch[:0], '{')
	for j := range m {
		if j > 0 {
			out = append(out, ',')
		}
		out = append(out, t.text[m[j].start():m[j].end()]...)
	}
	t.pop(base)
	return append(out, '}')
}

// close sets the ends of members, which still are in the order of the source.
func (t *Tape) close(m []member, k int) {
	for j := len(m) - 1; j >= 0; j-- {
		start := m[j].start()
		m[j].where = uint64(start)<<32 | uint64(k)
		k = start - 1
	}
}

// order closes and sorts members, and notes a name that occurs twice.
func (t *Tape) order(m []member, k int) {
	t.close(m, k)
	if len(m) > 32 {
		slices.SortStableFunc(m, t.compare)
		return
	}
	for j := 1; j < len(m); j++ {
		prefix, where := m[j].prefix, m[j].where
		h := j
		for ; h > 0 && prefix <= m[h-1].prefix; h-- {
			if prefix == m[h-1].prefix && t.compare(m[h-1], member{prefix, where}) <= 0 {
				break
			}
			m[h].prefix, m[h].where = m[h-1].prefix, m[h-1].where
		}
		m[h].prefix, m[h].where = prefix, where
	}
}

// permute puts the canonical text of sorted members in order, which begins at
// first.
func (t *Tape) permute(m []member, first, k int) {
	for len(m) > 0 && m[0].start() == first { // already in place
		first = m[0].end() + 1
		m = m[1:]
	}
	if len(m) == 0 {
		return
	}
	t.scratch = grown(t.scratch, k-first)
	old, text := t.scratch, t.text[first:k]
	copy(old, text)
	n := 0
	for j := range m {
		if j > 0 {
			text[n] = ','
			n++
		}
		n += copy(text[n:], old[m[j].start()-first:m[j].end()-first])
	}
}

// compare orders members by their decoded names. It meets every pair of equal
// names, since a sort must compare neighbours, and notes the first.
func (t *Tape) compare(a, b member) int {
	if a.prefix != b.prefix {
		if a.prefix < b.prefix {
			return -1
		}
		return 1
	}
	x, y := t.name(a), t.name(b)
	if bytes.Equal(x, y) { // canonical texts are equal if the names are
		t.Twice(x)
		return 0
	}
	if bytes.IndexByte(x, '\\') < 0 && bytes.IndexByte(y, '\\') < 0 {
		return bytes.Compare(x, y)
	}
	for len(x) > 0 && len(y) > 0 {
		var cx, cy byte
		cx, x = firstByte(x)
		cy, y = firstByte(y)
		if cx != cy {
			return int(cx) - int(cy)
		}
	}
	return len(x) - len(y)
}

// name returns the canonical text of a member's name, without quotes.
func (t *Tape) name(m member) []byte {
	text := t.text[m.start()+1:]
	n := 0
	for text[n] != '"' {
		if text[n] == '\\' {
			n++
		}
		n++
	}
	return text[:n]
}

// prefixOf returns the first eight decoded bytes of canonical text.
func prefixOf(text []byte) (prefix uint64) {
	for n := 56; n >= 0 && len(text) > 0; n -= 8 {
		var b byte
		b, text = firstByte(text)
		prefix |= uint64(b) << n
	}
	return prefix
}

// firstByte decodes the first byte of canonical text, where every escape means
// one byte, and returns the rest.
func firstByte(text []byte) (byte, []byte) {
	if text[0] != '\\' {
		return text[0], text[1:]
	}
	switch text[1] {
	case 'b':
		return '\b', text[2:]
	case 'f':
		return '\f', text[2:]
	case 'n':
		return '\n', text[2:]
	case 'r':
		return '\r', text[2:]
	case 't':
		return '\t', text[2:]
	case 'u':
		return unhex(text[4])<<4 | unhex(text[5]), text[6:]
	default:
		return text[1], text[2:]
	}
}

func unhex(b byte) byte {
	if b >= 'a' {
		return b - 'a' + 10
	}
	return b - '0'
}

// Twice notes that a name, in canonical text, occurs twice in the innermost open
// object. Only the first such name counts, and only if there is no fault.
func (t *Tape) Twice(name []byte) {
	if t.duplicate || t.fault != pipeline.NoReason {
		return
	}
	t.duplicate = true
	t.path = t.appendOuterPath(t.path[:0])
	t.path = AppendElement(t.path, name)
}
