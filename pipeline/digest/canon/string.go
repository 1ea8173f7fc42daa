package canon

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a word whose lowest set bit marks the first byte of x that
// cannot be copied as it is: a quote, a backslash, a control character or a
// byte of a longer UTF-8 sequence. Higher bits may be wrong: a borrow runs
// upwards only.
func special(x uint64) uint64 {
	quote := x ^ '"'*ones
	slash := x ^ '\\'*ones
	return ((quote - ones) | (slash - ones) | (x - ' '*ones) | x) & highs
}

// String copies a string, i being behind its opening quote. It returns the
// positions behind the closing quote, which is copied too. Escapes stay as they
// are in the verbatim copy.
func (t *Tape) String(i, o, k int) (int, int, int) {
	for {
		src, raw, text := at(t.src, i), at(t.raw, o), at(t.text, k)
		n := 0
		for {
			x := load8(src, n)
			store8(raw, n, x)
			store8(text, n, x)
			if m := special(x); m != 0 {
				n += bits.TrailingZeros64(m) >> 3
				break
			}
			n += 8
		}
		if byteAt(src, n) == '"' {
			n++
			return i + n, o + n, k + n
		}
		if i, o, k = t.unusual(i+n, o+n, k+n); i < 0 {
			return i, o, k
		}
	}
}

// unusual copies what is special at i.
func (t *Tape) unusual(i, o, k int) (int, int, int) {
	b := t.Byte(i)
	if b >= utf8.RuneSelf {
		return t.multibyte(i, o, k)
	}
	if b != '\\' { // a control character, or the end
		return t.Fail(pipeline.NotJSON), o, k
	}
	switch b = t.Byte(i + 1); b {
	case '"', '\\', 'b', 'f', 'n', 'r', 't': // canonical as they are
		t.Put2(o, k, '\\'|uint16(b)<<8)
		return i + 2, o + 2, k + 2
	}
	return t.escape(i, o, k)
}

// multibyte copies the UTF-8 sequences from i on.
func (t *Tape) multibyte(i, o, k int) (int, int, int) {
	for t.Byte(i) >= utf8.RuneSelf {
		r, n := utf8.DecodeRune(t.src[i : i+utf8.UTFMax])
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(t.src[i : len(t.src)-slack]) {
				return t.Fail(pipeline.NotJSON), o, k // cut off
			}
			return t.Fail(pipeline.InvalidUTF8), o, k
		}
		copy(t.raw[o:], t.src[i:i+n])
		copy(t.text[k:], t.src[i:i+n])
		i, o, k = i+n, o+n, k+n
	}
	return i, o, k
}

// escape copies the escape at i, one that is not canonical, in the canonical
// text as the character that it means.
func (t *Tape) escape(i, o, k int) (int, int, int) {
	r, n := rune('/'), 2
	switch t.Byte(i + 1) {
	case '/':
	case 'u':
		r, n = t.unicodeEscape(i)
	default:
		r = -1
	}
	if r < 0 {
		return t.Fail(pipeline.NotJSON), o, k
	}
	copy(t.raw[o:], t.src[i:i+n])
	return i + n, o + n, k + len(appendRune(t.text[k:k], r))
}

// unicodeEscape reads one \uXXXX, or two of them that form a surrogate pair. It
// returns the character, or -1, and the length.
func (t *Tape) unicodeEscape(i int) (rune, int) {
	r := t.hex4(i + 2)
	if r < 0 || !utf16.IsSurrogate(r) {
		return r, 6
	}
	if t.Byte(i+6) != '\\' || t.Byte(i+7) != 'u' {
		return -1, 0
	}
	r = utf16.DecodeRune(r, t.hex4(i+8))
	if r == utf8.RuneError {
		return -1, 0
	}
	return r, 12
}

func (t *Tape) hex4(i int) (r rune) {
	for j := i; j < i+4; j++ {
		b := t.Byte(j)
		switch {
		case '0' <= b && b <= '9':
			r = r<<4 | rune(b-'0')
		case 'a' <= b|0x20 && b|0x20 <= 'f':
			r = r<<4 | rune(b|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// appendRune appends r to a canonical string.
func appendRune(text []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(text, '\\', byte(r))
	case '\b':
		return append(text, '\\', 'b')
	case '\f':
		return append(text, '\\', 'f')
	case '\n':
		return append(text, '\\', 'n')
	case '\r':
		return append(text, '\\', 'r')
	case '\t':
		return append(text, '\\', 't')
	}
	if r < ' ' {
		return append(text, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
	}
	return utf8.AppendRune(text, r)
}
