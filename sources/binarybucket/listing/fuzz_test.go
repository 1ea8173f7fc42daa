package listing

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"
)

// framed makes a listing of payloads, the last of which is the root, with right
// checksums: what a CRC does not catch must not panic, or go on for ever.
func framed(objects int64, payloads ...[]byte) []byte {
	w := create("", of)
	var offset, length int64
	w.levels = make([]level, len(payloads))
	for i, p := range payloads {
		w.levels[i].payload = p
		offset, length = w.block(i)
	}
	begin := len(w.buffer)
	for _, v := range []int64{offset, length, objects, 0, 0} {
		w.buffer = binary.LittleEndian.AppendUint64(w.buffer, uint64(v))
	}
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, checksum(w.buffer[begin:]))
	return append(w.buffer, magic...)
}

func FuzzBlocks(f *testing.F) {
	leaf := appendContent([]byte{0}, "", sample(1, 0)[0])
	inner := binary.AppendUvarint(binary.AppendUvarint(appendKey(nil, "", "0"), headerBytes), uint64(len(leaf)+framing))
	f.Add(int64(1), leaf, []byte{})
	f.Add(int64(1), leaf, inner)
	f.Add(int64(9), []byte{0}, inner)
	f.Add(int64(1), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, inner)
	f.Fuzz(func(t *testing.T, objects int64, leaf, inner []byte) {
		payloads := [][]byte{leaf}
		if len(inner) > 0 {
			payloads = append(payloads, inner)
		}
		try(t, framed(objects, payloads...))
	})
}

func FuzzFile(f *testing.F) {
	golden, err := os.ReadFile("testdata/listing-v1.golden")
	check(f, err)
	f.Add(golden)
	f.Add(golden[:len(golden)/2])
	f.Fuzz(func(t *testing.T, p []byte) { try(t, p) })
}

// try reads all that there is: an error is ErrDamaged or ErrOther.
func try(t *testing.T, p []byte) {
	l, err := openBytes(p)
	if err != nil {
		mustBeDamage(t, err)
		return
	}
	if _, err := read(l); err != nil && !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "0", "0000_1.", "zzz"} {
		found, _, err := l.Find(prefix)
		if err != nil && !errors.Is(err, ErrDamaged) || len(found) > 2 {
			t.Fatal(err)
		}
	}
}
