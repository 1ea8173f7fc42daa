package inflate

const (
	// fastInput and fastOutput are what one round of the fast loop may take:
	// three loads of 8 bytes; two literals, the longest match and what is
	// copied beyond its end.
	fastInput  = 32
	fastOutput = 2 + 258 + 64
)

// fast decodes symbols until the block ends, or input or output fall short of
// what a round may need.
func (r *Reader) fast() error {
	in, pos := r.in, r.pos
	out, at, base := r.out, r.at, r.base
	literals, distances := &r.literals, &r.distances
	bits, count := r.bits, uint64(r.count)
	lastIn, lastOut := len(in)-fastInput, len(out)-fastOutput
	ended, corrupt := false, false

	for pos <= lastIn && at <= lastOut {
		bits |= load64(in, pos) << (count & 63)
		pos += int(^count >> 3 & 7)
		count |= 56

		e := literals[bits&(1<<literalBits-1)]
		if e.isLiteral() {
			bits >>= e & 63
			count -= uint64(e)
			out[at] = byte(e >> 16)
			at++
			e = literals[bits&(1<<literalBits-1)]
			if e.isLiteral() {
				bits >>= e & 63
				count -= uint64(e)
				out[at] = byte(e >> 16)
				at++
				e = literals[bits&(1<<literalBits-1)]
				if e.isLiteral() {
					bits >>= e & 63
					count -= uint64(e)
					out[at] = byte(e >> 16)
					at++
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
				out[at] = byte(e >> 16)
				at++
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

		bits |= load64(in, pos) << (count & 63)
		pos += int(^count >> 3 & 7)
		count |= 56

		d := distances[bits&(1<<distanceBits-1)]
		if d.isExceptional() {
			if d.isSubtable() {
				d = distances[(uint64(d)>>16+bits>>distanceBits&(1<<(d>>8&15)-1))&(distanceRoom-1)]
			}
			corrupt = d.isExceptional()
		}
		distance := int(uint64(d)>>16 + bits&(1<<(d&63)-1)>>(d>>8&15))
		bits >>= d & 63
		count -= uint64(d)

		from := at - distance
		if from < base || corrupt {
			if corrupt = corrupt || distance > at-base+r.kept; corrupt {
				break
			}
			r.at, r.length, r.distance = at, length, distance
			r.copyMatch()
			at = r.at
			continue
		}
		end := at + length
		switch {
		case distance >= 16:
			copy16(out, at, from)
			copy16(out, at+16, from+16)
			for at += 32; at < end; at += 32 {
				from += 32
				copy16(out, at, from)
				copy16(out, at+16, from+16)
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
