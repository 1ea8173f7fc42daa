package generate

import (
	"strconv"
	"time"
)

// renderer holds what one resource's slots draw from.
type renderer struct {
	corpus *corpus
	stable random // the same sequence for every version of a resource
	varied random // another one for each version
	at     time.Time
	chosen []int // last choice per concept table

	references []byte // {"S":...},... of every `reference` element so far
}

func (r *renderer) render(dst []byte, ops []op) []byte {
	for i := range ops {
		dst = r.one(dst, &ops[i])
	}
	return dst
}

func (r *renderer) one(dst []byte, o *op) []byte {
	switch o.kind {
	case opText:
		return append(dst, o.text...)
	case opMaybe:
		if !r.stable.chance(uint64(o.lo)) {
			return dst
		}
		return r.render(dst, o.ops)
	case opRepeat:
		for n := r.stable.between(o.lo, o.hi); n > 0; n-- {
			dst = r.render(dst, o.ops)
			if n > 1 {
				dst = append(dst, ',')
			}
		}
		return dst
	case opReferenced:
		start := len(dst)
		dst = r.render(dst, o.ops)
		if len(r.references) > 0 {
			r.references = append(r.references, ',')
		}
		r.references = append(r.references, dst[start:]...)
		return dst
	case opTime, opInstant, opDate, opBirth:
		return r.date(dst, o)
	case opDisplay, opCoding, opConcept, opQuantity:
		return r.concept(dst, o)
	default:
		return r.primitive(dst, o)
	}
}

func (r *renderer) primitive(dst []byte, o *op) []byte {
	switch o.kind {
	case opUUID:
		return r.stable.appendUUID(dst)
	case opDigits:
		return r.stable.appendDigits(dst, o.lo)
	case opReference:
		dst = append(append(dst, o.text...), '/')
		return r.corpus.appendSomeID(dst, string(o.text), &r.stable)
	case opWord:
		return append(dst, o.words[r.stable.below(uint64(len(o.words)))]...)
	case opVersionWord:
		return append(dst, o.words[r.varied.below(uint64(len(o.words)))]...)
	case opBool:
		return strconv.AppendBool(dst, r.varied.chance(500))
	case opInt:
		return strconv.AppendInt(dst, r.varied.between(o.lo, o.hi), 10)
	case opDecimal:
		return r.decimal(dst, o.lo, o.hi, o.places)
	}
	return dst
}

// decimal appends a number in [lo, hi) whose last digit is not zero, because
// DynamoDB keeps no trailing zeros.
func (r *renderer) decimal(dst []byte, lo, hi int64, places int) []byte {
	if places == 0 {
		return strconv.AppendInt(dst, r.varied.between(lo, hi), 10)
	}
	dst = strconv.AppendInt(dst, r.varied.between(lo, hi-1), 10)
	dst = r.varied.appendDigits(append(dst, '.'), int64(places-1))
	return append(dst, byte('1'+r.varied.below(9)))
}

func (r *renderer) concept(dst []byte, o *op) []byte {
	if o.kind == opQuantity {
		row := &o.table.rows[r.chosen[o.table.index]]
		dst = append(dst, `{"M":{"value":{"N":"`...)
		dst = r.decimal(dst, row.lo, row.hi, row.places)
		return append(dst, row.unitTail...)
	}
	choice := int(r.stable.below(uint64(len(o.table.rows))))
	r.chosen[o.table.index] = choice
	row := &o.table.rows[choice]
	switch o.kind {
	case opDisplay:
		return append(dst, row.display...)
	case opCoding:
		return append(dst, row.coding...)
	default:
		return append(dst, row.concept...)
	}
}

func (r *renderer) date(dst []byte, o *op) []byte {
	t := r.at.Add(time.Duration(o.lo) * time.Second)
	switch o.kind {
	case opTime:
		return t.AppendFormat(dst, "2006-01-02T15:04:05-07:00")
	case opInstant:
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000-07:00")
	case opDate:
		return t.AppendFormat(dst, time.DateOnly)
	default:
		birth := time.Date(1930, 1, 1+int(r.stable.below(33000)), 0, 0, 0, 0, time.UTC)
		return birth.AppendFormat(dst, time.DateOnly)
	}
}
