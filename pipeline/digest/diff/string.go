package diff

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// stringReader decodes the text of a long JSON string, and keeps its digests.
type stringReader struct {
	hash    hash.Hash
	at      []int64 // lengths of which digests are wanted, those to come
	text    longText
	pending []byte // an escape that is not whole yet
	buf     []byte
}

func newStringReader(at []int64) *stringReader {
	return &stringReader{hash: sha256.New(), at: at, text: longText{prefixes: make(map[int64][sha256.Size]byte)}}
}

// write takes the next piece of the text between the quotes.
func (s *stringReader) write(piece []byte) {
	if len(s.pending) > 0 {
		piece = append(s.pending, piece...)
	}
	s.buf = s.buf[:0]
	for len(piece) > 0 {
		n := bytes.IndexByte(piece, '\\')
		if n < 0 {
			n = len(piece)
		}
		s.buf = append(s.buf, piece[:n]...)
		piece = piece[n:]
		if len(piece) == 0 {
			break
		}
		var taken int
		if s.buf, taken = unescape(s.buf, piece); taken == 0 {
			break
		}
		piece = piece[taken:]
	}
	s.pending = bytes.Clone(piece)
	s.sum(s.buf)
}

// unescape appends what the escape stands for that text begins with, and returns its
// length; 0: it is not whole.
func unescape(dst, text []byte) ([]byte, int) {
	if len(text) < 2 {
		return dst, 0
	}
	switch b := text[1]; b {
	case 'u':
	case 'b', 'f', 'n', 'r', 't':
		return append(dst, "\b\f\n\r\t"[bytes.IndexByte([]byte("bfnrt"), b)]), 2
	default:
		return append(dst, b), 2
	}
	if len(text) < 6 {
		return dst, 0
	}
	r := hex4(text[2:6])
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), 6
	}
	if len(text) < 12 {
		return dst, 0
	}
	return utf8.AppendRune(dst, utf16.DecodeRune(r, hex4(text[8:12]))), 12
}

func hex4(digits []byte) rune {
	n, err := strconv.ParseUint(string(digits), 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

func (s *stringReader) sum(p []byte) {
	t := &s.text
	if room := longString - len(t.head); room > 0 {
		t.head = append(t.head, p[:min(room, len(p))]...)
	}
	for len(s.at) > 0 && t.length+int64(len(p)) >= s.at[0] {
		n := s.at[0] - t.length
		_, _ = s.hash.Write(p[:n])
		t.prefixes[s.at[0]] = [sha256.Size]byte(s.hash.Sum(nil))
		t.length, p, s.at = s.at[0], p[n:], s.at[1:]
	}
	_, _ = s.hash.Write(p)
	t.length += int64(len(p))
}

func (s *stringReader) end() *longText {
	s.sum(s.pending) // an escape that never became whole: no strict reader has let it pass
	s.text.sum = [sha256.Size]byte(s.hash.Sum(nil))
	return &s.text
}
