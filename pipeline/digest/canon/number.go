package canon

import "strconv"

// Number copies the number at i and returns the positions behind it, or, ending
// no scan, a negative i if there is none. What may follow a number is the
// caller's concern.
func (t *Tape) Number(i, o, k int) (int, int, int) {
	parts, ok := measure(t.src[i:])
	if !ok {
		return -1, o, k
	}
	o, k = t.putNumber(parts, t.src[i:i+parts.end], o, k)
	return i + parts.end, o, k
}

// putNumber copies a number to both outputs.
func (t *Tape) putNumber(parts numberParts, number []byte, o, k int) (int, int) {
	if !parts.shortest(number) {
		t.form += formOf(number)
	}
	return o + copy(t.raw[o:], number), k + len(parts.append(t.text[k:k], number))
}

// Quoted copies a number that stands in a string, as DynamoDB writes it, i being
// behind the opening quote. The quotes are not copied. It returns ok false if the
// string holds no number, and a negative i if it is no string.
func (t *Tape) Quoted(i, o, k int) (_, _, _ int, ok bool) {
	if parts, ok := measure(t.src[i:]); ok && t.Byte(i+parts.end) == '"' {
		o, k = t.putNumber(parts, t.src[i:i+parts.end], o, k)
		return i + parts.end + 1, o, k, true
	}
	// No number, or one with escapes in it: judge the decoded text.
	i, _, end := t.String(i, o, k)
	if i < 0 {
		return i, o, k, false
	}
	parts, ok := measure(t.text[k:end])
	if !ok || parts.end != end-1-k {
		return i, o, k, false
	}
	number := t.raw[o : o+copy(t.raw[o:], t.text[k:end-1])]
	o, k = t.putNumber(parts, number, o, k)
	return i, o, k, true
}

// numberParts are the offsets of a number's parts in its text.
type numberParts struct {
	whole    int // of the first digit: 1 behind a sign
	fraction int // behind the point; the end of the digits if there is none
	exponent int // of the 'e'; the end if there is none
	end      int
}

// measure checks the grammar of the number at the beginning of b, which goes on
// with at least one byte that belongs to no number.
func measure(b []byte) (p numberParts, ok bool) {
	if b[0] == '-' {
		p.whole = 1
	}
	j := digits(b, p.whole)
	if j == p.whole || b[p.whole] == '0' && j > p.whole+1 {
		return p, false
	}
	p.fraction = j
	if b[j] == '.' {
		p.fraction = j + 1
		if j = digits(b, p.fraction); j == p.fraction {
			return p, false
		}
	}
	p.exponent = j
	if b[j]|0x20 == 'e' {
		j++
		if b[j] == '+' || b[j] == '-' {
			j++
		}
		first := j
		if j = digits(b, j); j == first {
			return p, false
		}
	}
	p.end = j
	return p, true
}

// digits returns the position behind the digits from i on.
func digits(b []byte, i int) int {
	for b[i]-'0' <= 9 {
		i++
	}
	return i
}

// shortest tells whether a number is spelled in the one way that adds nothing to the
// number form: without exponent, without a 0 at the end of its fraction, and not -0.
func (p numberParts) shortest(number []byte) bool {
	last := number[len(number)-1]
	return p.exponent == len(number) && (last != '0' || p.fraction == len(number) && (p.whole == 0 || len(number) > 2))
}

// formOf is what any other number adds: FNV-1a, of 32 bits, over its text.
func formOf(number []byte) uint32 {
	h := uint32(2166136261)
	for _, b := range number {
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}

// append appends the canonical form of a number.
func (p numberParts) append(text, number []byte) []byte {
	start := len(text)
	text = append(text, number[:p.whole]...)
	first := len(text)
	for _, b := range number[p.whole:p.exponent] {
		if b != '.' && (b != '0' || len(text) > first) {
			text = append(text, b)
		}
	}
	if len(text) == first {
		return append(text[:start], '0')
	}
	shift := p.fraction - p.exponent // minus the digits behind the point
	for text[len(text)-1] == '0' {
		text = text[:len(text)-1]
		shift++
	}
	text = append(text, 'e')
	if p.exponent == len(number) {
		return strconv.AppendInt(text, int64(shift), 10)
	}
	return appendShifted(text, number[p.exponent+1:], int64(shift))
}

// appendShifted appends the decimal exponent, whose length has no bound, plus
// shift.
func appendShifted(text, exponent []byte, shift int64) []byte {
	negative := exponent[0] == '-'
	if negative || exponent[0] == '+' {
		exponent = exponent[1:]
	}
	for len(exponent) > 1 && exponent[0] == '0' {
		exponent = exponent[1:]
	}
	if len(exponent) <= 17 {
		var e int64
		for _, b := range exponent {
			e = 10*e + int64(b-'0')
		}
		if negative {
			e = -e
		}
		return strconv.AppendInt(text, e+shift, 10)
	}
	// The exponent is larger than any shift: its sign stays.
	if negative {
		text, shift = append(text, '-'), -shift
	}
	first := len(text)
	text = append(append(text, '0'), exponent...)
	for j := len(text) - 1; shift != 0; j-- {
		shift += int64(text[j] - '0')
		digit := ((shift % 10) + 10) % 10
		text[j] = byte('0' + digit)
		shift = (shift - digit) / 10
	}
	if text[first] == '0' {
		text = append(text[:first], text[first+1:]...)
	}
	if text[first] == '0' { // ...000 has become 999...
		text = append(text[:first], text[first+1:]...)
	}
	return text
}
