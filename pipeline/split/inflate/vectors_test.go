package inflate

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"
)

// member puts a header and the trailer that fits around a deflate stream; of one
// that is broken the trailer means nothing.
func member(deflated []byte) []byte {
	in := bytes.NewReader(deflated)
	plain, _ := io.ReadAll(flate.NewReader(in))
	file := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}
	file = append(file, deflated[:len(deflated)-in.Len()]...)
	file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(plain))
	return binary.LittleEndian.AppendUint32(file, uint32(len(plain)))
}

// bitWriter writes deflate streams by hand.
type bitWriter struct {
	out   []byte
	count int
}

func (w *bitWriter) bits(value, n int) *bitWriter {
	for i := range n {
		if w.count%8 == 0 {
			w.out = append(w.out, 0)
		}
		w.out[len(w.out)-1] |= byte(value>>i&1) << (w.count % 8)
		w.count++
	}
	return w
}

// code writes a Huffman code, which comes highest bit first.
func (w *bitWriter) code(value, n int) *bitWriter {
	for i := n - 1; i >= 0; i-- {
		w.bits(value>>i, 1)
	}
	return w
}

// dynamic begins a final dynamic block. Every length is written by itself, with a
// code of the code lengths of 4 bits each for 0 to 15.
func (w *bitWriter) dynamic(literals, distances []int) *bitWriter {
	w.bits(1, 1).bits(2, 2).bits(len(literals)-257, 5).bits(len(distances)-1, 5).bits(19-4, 4)
	for _, symbol := range codeOrder {
		w.bits(map[bool]int{true: 4}[symbol < 16], 3)
	}
	for _, length := range append(append([]int{}, literals...), distances...) {
		w.code(length, 4)
	}
	return w
}

// lengths returns n lengths of codes, all 0 but those given as symbol, length, ...
func lengths(n int, set ...int) []int {
	all := make([]int, n)
	for i := 0; i < len(set); i += 2 {
		all[set[i]] = set[i+1]
	}
	return all
}

func begin() *bitWriter { return new(bitWriter) }

// fixed begins a final fixed block; a and end are two of its codes.
func (w *bitWriter) fixed() *bitWriter { return w.bits(1, 1).bits(1, 2) }
func (w *bitWriter) a() *bitWriter     { return w.code('a'+0x30, 8) }
func (w *bitWriter) end() *bitWriter   { return w.code(0, 7) }

func TestVectors(t *testing.T) {
	a := lengths(257, 'a', 1, 256, 1)          // codes: a is 0, end is 1
	am := lengths(258, 'a', 2, 256, 2, 257, 1) // length 3 is 0, a is 10, end is 11
	ladder := lengths(257, 256, 15)
	for i := range 15 {
		ladder['a'+i] = i + 1
	}
	for name, test := range map[string]struct {
		stream *bitWriter
		want   string // the bytes, or those before the defect
		defect string
	}{
		"fixed, nothing":                       {begin().fixed().end(), "", ""},
		"fixed, literals":                      {begin().fixed().a().a().end(), "aa", ""},
		"fixed, length 258, distance 1":        {begin().fixed().a().code(0xc5, 8).code(0, 5).end(), repeat("a", 259), ""},
		"fixed, length 258 the long way":       {begin().fixed().a().code(0xc4, 8).bits(31, 5).code(0, 5).end(), repeat("a", 259), ""},
		"fixed, length 3, distance 2":          {begin().fixed().a().a().code(1, 7).code(1, 5).end(), "aaaaa", ""},
		"fixed, distance too far":              {begin().fixed().a().code(1, 7).code(1, 5).end(), "a", "corrupt"},
		"fixed, distance from nothing":         {begin().fixed().code(1, 7).code(0, 5).end(), "", "corrupt"},
		"fixed, symbol 286":                    {begin().fixed().a().code(0xc6, 8).code(0, 5).end(), "a", "corrupt"},
		"fixed, symbol 287":                    {begin().fixed().a().code(0xc7, 8).code(0, 5).end(), "a", "corrupt"},
		"fixed, distance symbol 30":            {begin().fixed().a().code(1, 7).code(30, 5).end(), "a", "corrupt"},
		"fixed, distance symbol 31":            {begin().fixed().a().code(1, 7).code(31, 5).end(), "a", "corrupt"},
		"stored":                               {begin().bits(1, 8).bits(2, 16).bits(0xfffd, 16).bits('x', 8).bits('y', 8), "xy", ""},
		"stored, nothing":                      {begin().bits(1, 8).bits(0, 16).bits(0xffff, 16), "", ""},
		"stored, lengths disagree":             {begin().bits(1, 8).bits(2, 16).bits(0xfffc, 16).bits('x', 8).bits('y', 8), "", "corrupt"},
		"reserved block":                       {begin().bits(7, 3).bits(0, 32), "", "corrupt"},
		"dynamic, no distance":                 {begin().dynamic(a, lengths(1)).code(0, 1).code(1, 1), "a", ""},
		"dynamic, no distance but used":        {begin().dynamic(am, lengths(1)).code(2, 2).code(0, 1).bits(0, 32), "a", "corrupt"},
		"dynamic, one distance":                {begin().dynamic(am, lengths(1, 0, 1)).code(2, 2).code(0, 1).bits(0, 1).code(3, 2), "aaaa", ""},
		"dynamic, one distance, other bit":     {begin().dynamic(am, lengths(1, 0, 1)).code(2, 2).code(0, 1).bits(1, 1).code(3, 2), "a", "corrupt"},
		"dynamic, one distance of two bits":    {begin().dynamic(am, lengths(1, 0, 2)).code(2, 2).code(3, 2), "", "corrupt"},
		"dynamic, distances over-subscribed":   {begin().dynamic(am, lengths(3, 0, 1, 1, 1, 2, 1)).code(2, 2).code(3, 2), "", "corrupt"},
		"dynamic, distances incomplete":        {begin().dynamic(am, lengths(3, 0, 1, 1, 2)).code(2, 2).code(3, 2), "", "corrupt"},
		"dynamic, only an end":                 {begin().dynamic(lengths(257, 256, 1), lengths(1)).bits(0, 1), "", ""},
		"dynamic, only an end, other bit":      {begin().dynamic(lengths(257, 256, 1), lengths(1)).bits(1, 1), "", "corrupt"},
		"dynamic, no literal at all":           {begin().dynamic(lengths(257), lengths(1)).bits(0, 64), "", "corrupt"},
		"dynamic, no end of block":             {begin().dynamic(lengths(257, 'a', 1), lengths(1)).bits(0, 3).bits(1, 1), "aaa", "corrupt"},
		"dynamic, literals over-subscribed":    {begin().dynamic(lengths(257, 'a', 1, 'b', 1, 256, 1), lengths(1)).bits(0, 64), "", "corrupt"},
		"dynamic, literals incomplete":         {begin().dynamic(lengths(257, 'a', 2, 256, 1), lengths(1)).bits(0, 64), "", "corrupt"},
		"dynamic, codes of 15 bits":            {begin().dynamic(ladder, lengths(1)).code(0, 1).code(1<<15-2, 15).code(1<<13-2, 13).code(1<<15-1, 15), "aom", ""},
		"dynamic, too many lengths":            {begin().bits(1, 1).bits(2, 2).bits(30, 5).bits(0, 5).bits(15, 4).bits(0, 64), "", "corrupt"},
		"dynamic, too many distances":          {begin().bits(1, 1).bits(2, 2).bits(0, 5).bits(30, 5).bits(15, 4).bits(0, 64), "", "corrupt"},
		"dynamic, nothing to repeat":           {repeats(0, 16, 0), "", "corrupt"},
		"dynamic, repeats beyond the end":      {repeats(2, 18, 127), "", "corrupt"},
		"dynamic, no code of the code lengths": {begin().bits(1, 1).bits(2, 2).bits(0, 14).bits(0, 64), "", "corrupt"},
	} {
		t.Run(name, func(t *testing.T) {
			// Once where only the slow loop has the room to work, and once
			// where what follows leaves it to the fast loop.
			for _, behind := range []int{0, 100} {
				file := append(member(test.stream.out), make([]byte, behind)...)
				want := test.defect
				if want == "" && behind > 0 {
					want = "header"
				}
				got := agree(t, file, 1)
				if string(got.plain) != test.want || got.defect != want {
					t.Errorf("%d bytes behind: %q after %q, want %q after %q", behind, got.defect, got.plain, want, test.want)
				}
			}
		})
	}
}

func repeat(s string, n int) string { return string(bytes.Repeat([]byte(s), n)) }

// repeats begins a dynamic block with so many plain lengths of 1, then a repeat.
func repeats(plain, symbol, extra int) *bitWriter {
	w := begin().bits(1, 1).bits(2, 2).bits(0, 5).bits(0, 5).bits(15, 4)
	for _, s := range codeOrder { // 1, 16, 17 and 18 have codes of two bits
		w.bits(map[bool]int{true: 2}[s == 1 || s >= 16], 3)
	}
	for range plain {
		w.code(0, 2)
	}
	for range 3 {
		w.code(symbol-15, 2).bits(extra, map[int]int{16: 2, 17: 3, 18: 7}[symbol])
	}
	return w.bits(0, 64)
}
