package inflate

const (
	// roundInput and fastOutput are what one round of the fast loop may take:
	// two loads of 8 bytes; two literals, the longest match and what is copied
	// beyond its end. Before the first round there is one more load.
	roundInput = 16
	fastInput  = roundInput + 8
	fastOutput = 2 + 258 + 32
)

// fast decodes symbols until the block ends, or input or output fall short of
// what a round may need. The caller has seen that both suffice for a first one.
//
// A round begins with at least 56 bits and the entry of the first code looked up,
// which is of use while the processor still copies the match before. Three
// literals from the table's first part take at most 33 bits; two of them, and a
// length, 42; a distance 28. Of count only the lowest 6 bits mean something, so
// that a whole entry may be subtracted from it.
func (r *Reader) fast() error {
	in, pos := r.in, r.pos
	out, at, base := r.out, r.at, r.base
	literals, distances := &r.literals, &r.distances
	lastIn, lastOut := len(in)-roundInput, len(out)-fastOutput
	ended, corrupt := false, false

	bits, count := r.bits, uint64(r.count)
	bits |= load64(in, pos) << (count & 63)
	pos += int(^count >> 3 & 7)
	count |= 56
	e := literals[bits&(1<<literalBits-1)]

	for pos <= lastIn && at <= lastOut {
		if e.isLiteral() {
			bits >>= e & 63
			count -= uint64(e)
			store8(out, at, byte(e>>16))
			at++
			e = literals[bits&(1<<literalBits-1)]
			if e.isLiteral() {
				bits >>= e & 63
				count -= uint64(e)
				store8(out, at, byte(e>>16))
				at++
				e = literals[bits&(1<<literalBits-1)]
				if e.isLiteral() {
					bits >>= e & 63
					count -= uint64(e)
					store8(out, at, byte(e>>16))
					at++
					bits |= load64(in, pos) << (count & 63)
					pos += int(^count >> 3 & 7)
					count |= 56
					e = literals[bits&(1<<literalBits-1)]
					continue
				}
			}
		}
		if e.isExceptional() {
			if e.isSubtable() {
				e = literals[(uint64(e)>>16+bits>>literalBits&(1<<(e>>8&15)-1))&(literalRoom-1)]
			}
			if e.isLiteral() {
				bits >>= e & 63
				count -= uint64(e)
				store8(out, at, byte(e>>16))
				at++
				bits |= load64(in, pos) << (count & 63)
				pos += int(^count >> 3 & 7)
				count |= 56
				e = literals[bits&(1<<literalBits-1)]
				continue
			}
			if e.isExceptional() {
				bits >>= e & 63
				count -= uint64(e)
				ended, corrupt = true, !e.isEnd()
				break
			}
		}
		length := int(uint64(e)>>16 + bits&(1<<(e&63)-1)>>(e>>8&15))
		bits >>= e & 63
		count -= uint64(e)

		if count&63 < 28 {
			bits |= load64(in, pos) << (count & 63)
			pos += int(^count >> 3 & 7)
			count |= 56
		}
		e = distances[bits&(1<<distanceBits-1)]
		if e.isExceptional() {
			if e.isSubtable() {
				e = distances[(uint64(e)>>16+bits>>distanceBits&(1<<(e>>8&15)-1))&(distanceRoom-1)]
			}
			if e.isExceptional() {
				bits >>= e & 63
				count -= uint64(e)
				corrupt = true
				break
			}
		}
		distance := int(uint64(e)>>16 + bits&(1<<(e&63)-1)>>(e>>8&15))
		bits >>= e & 63
		count -= uint64(e)

		from := at - distance
		if from < base && distance > at-base+r.kept {
			corrupt = true
			break
		}
		bits |= load64(in, pos) << (count & 63)
		pos += int(^count >> 3 & 7)
		count |= 56
		e = literals[bits&(1<<literalBits-1)]

		if from < base {
			r.at, r.length, r.distance = at, length, distance
			r.copyMatch()
			at = r.at
			continue
		}
		end := at + length
		switch {
		case distance >= 16:
			copy32(out, at, from)
			for at += 32; at < end; at += 32 {
				from += 32
				copy32(out, at, from)
			}
		case distance >= 8:
			for ; at < end; at += 8 {
				copy8(out, at, from)
				from += 8
			}
		case distance == 1:
			word := uint64(out[from]) * 0x0101010101010101
			for ; at < end; at += 8 {
				store64(out, at, word)
			}
		default:
			for ; at < end; at++ {
				out[at] = out[from]
				from++
			}
		}
		at = end
	}

	// Whole bytes go back to the input.
	count &= 63
	r.pos, r.at = pos-int(count>>3), at
	r.count = uint(count & 7)
	r.bits = bits & (1<<r.count - 1)
	if corrupt {
		return r.corrupt()
	}
	if ended {
		r.endBlock()
	}
	return nil
}
