package inflate

import "math/bits"

const (
	literalSymbols  = 286 // literals, end of block, lengths
	distanceSymbols = 30
	longestCode     = 15

	literalBits  = 11 // of the first look into the table
	distanceBits = 8

	// Room for every complete code, see zlib's examples/enough.c: 2342 and 402;
	// powers of two, so that a mask saves the check of an index.
	literalRoom  = 4096
	distanceRoom = 512
)

type (
	literalTable  [literalRoom]entry
	distanceTable [distanceRoom]entry
)

// entry is what a table says about the next bits of the input:
//
//	bits 0-5    how many bits to consume: the code, and extra bits behind it
//	bits 8-11   how many of them are the code
//	bits 16-30  the literal, or to what the extra bits are added
//	flags       below
//
// An entry of a table's first part may point to a subtable instead. Then bits 8-11
// are how many bits behind the first ones select in the subtable, and bits 16-30
// where it begins. Entries of subtables count the bits from the code's begin.
type entry uint32

const (
	flagEnd         entry = 1 << 12 // end of block
	flagSubtable    entry = 1 << 13
	flagExceptional entry = 1 << 14 // end, subtable, or no symbol at all
	flagLiteral     entry = 1 << 31
)

func (e entry) bits() uint          { return uint(e) & 63 }
func (e entry) code() uint          { return uint(e) >> 8 & 15 }
func (e entry) value() uint         { return uint(e) >> 16 & 0x7fff }
func (e entry) isLiteral() bool     { return int32(e) < 0 }
func (e entry) isEnd() bool         { return e&flagEnd != 0 }
func (e entry) isSubtable() bool    { return e&flagSubtable != 0 }
func (e entry) isExceptional() bool { return e&flagExceptional != 0 }

// Entries of the symbols, before the code's bits are added.
var (
	literalEntries    = makeLiteralEntries()
	distanceEntries   = makeDistanceEntries()
	codeLengthEntries = makeCodeLengthEntries()
)

func makeLiteralEntries() (entries [288]entry) {
	for i := range 256 {
		entries[i] = flagLiteral | entry(i)<<16
	}
	entries[256] = flagExceptional | flagEnd
	base := 3
	for i := 257; i < 285; i++ {
		extra := max(0, (i-257)/4-1)
		entries[i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
	}
	entries[285] = entry(258) << 16
	entries[286], entries[287] = flagExceptional, flagExceptional
	return entries
}

func makeDistanceEntries() (entries [32]entry) {
	base := 1
	for i := range distanceSymbols {
		extra := max(0, i/2-1)
		entries[i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
	}
	entries[30], entries[31] = flagExceptional, flagExceptional
	return entries
}

func makeCodeLengthEntries() (entries [len(codeOrder)]entry) {
	for i := range entries {
		entries[i] = entry(i) << 16
	}
	entries[16] |= 2
	entries[17] |= 3
	entries[18] |= 7
	return entries
}

// build fills a table for the canonical code that has these lengths of codes, RFC
// 1951 section 3.2.2. It returns false unless the code is complete. As in zlib
// and compress/flate there are two exceptions: one code of one bit, and none.
func build(table []entry, root uint, lengths []uint8, symbols []entry) bool {
	var counts, starts [longestCode + 1]int
	for _, length := range lengths {
		counts[length]++
	}
	counts[0] = 0
	total, space, longest := 0, 0, uint(0)
	for length, count := range counts {
		starts[length] = total
		total += count
		space += count << (longestCode - length)
		if count > 0 {
			longest = uint(length)
		}
	}
	if space != 1<<longestCode {
		if total > 1 || longest > 1 {
			return false
		}
		// What is not the one code is no symbol. Doubling spreads this.
		table[0] = flagExceptional | entry(longest)
	}

	var sorted [288]uint16 // symbols by length of code, then value
	for symbol, length := range lengths {
		if length > 0 {
			sorted[starts[length]] = uint16(symbol)
			starts[length]++
		}
	}
	t := tableBuilder{table: table, root: root, longest: longest, counts: counts, used: 1 << root, prefix: -1}
	code := 0
	i := 0
	for length := uint(1); length <= longest; length++ {
		code <<= 1
		for range counts[length] {
			t.add(code, length, symbols[sorted[i]])
			code++
			i++
			t.counts[length]--
		}
	}
	t.double(root)
	return true
}

type tableBuilder struct {
	table   []entry
	root    uint
	longest uint
	counts  [longestCode + 1]int // codes not added yet
	used    int                  // end of the last subtable
	prefix  int                  // first bits of the codes in the last subtable
	begin   int                  // of the last subtable
	bits    uint                 // that select in it
	width   uint                 // table[:1<<width] is in use
}

// double widens the part of the table that is in use. A code that is shorter than
// the first look into the table stands there once for each value of the bits
// behind it.
func (t *tableBuilder) double(width uint) {
	for ; t.width < width; t.width++ {
		copy(t.table[1<<t.width:2<<t.width], t.table[:1<<t.width])
	}
}

// add enters a code. Codes come in their canonical order.
func (t *tableBuilder) add(code int, length uint, symbol entry) {
	e := symbol + entry(length) + entry(length)<<8
	reversed := int(bits.Reverse16(uint16(code)) >> (16 - length))
	if length <= t.root {
		t.double(length)
		t.table[reversed] = e
		return
	}
	t.double(t.root)
	if prefix := reversed & (1<<t.root - 1); prefix != t.prefix {
		t.prefix, t.begin, t.bits = prefix, t.used, t.subtableBits(length)
		t.used += 1 << t.bits
		t.table[prefix] = flagExceptional | flagSubtable | entry(t.begin)<<16 | entry(t.bits)<<8 | entry(t.root)
	}
	for i := reversed >> t.root; i < 1<<t.bits; i += 1 << (length - t.root) {
		t.table[t.begin+i] = e
	}
}

// subtableBits returns the smallest size of a subtable whose first code has this
// length: codes are added until it is full.
func (t *tableBuilder) subtableBits(length uint) uint {
	left := 1 << (length - t.root)
	for ; length < t.longest; length++ {
		left -= t.counts[length]
		if left <= 0 {
			break
		}
		left <<= 1
	}
	return length - t.root
}
