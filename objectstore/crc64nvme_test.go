package objectstore_test

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/objectstore"
)

// The check value of CRC-64/NVME in the catalogue of parametrised CRC
// algorithms, and in NVM Express' specification.
func TestCRCCheckValue(t *testing.T) {
	if got := objectstore.CRC(0).Add([]byte("123456789")); got != 0xae8b14860a799888 {
		t.Errorf("got %x", uint64(got))
	}
}

// Vector instructions take some of the bytes, whatever the length and alignment,
// and Go's own table says the same.
func TestCRCAddAsHashCRC64(t *testing.T) {
	table := crc64.MakeTable(0x9a6c9329ac4bc9b5) // the polynomial, bits reversed
	p := make([]byte, 5000)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(p) // never fails
	for from := range 64 {
		for n := range 1500 {
			if n == 1400 {
				n = len(p) - from
			}
			before := r.Uint64()
			got, want := objectstore.CRC(before).Add(p[from:from+n]), crc64.Update(before, table, p[from:from+n])
			if uint64(got) != want {
				t.Fatalf("%d bytes from %d on: %x, want %x", n, from, uint64(got), want)
			}
		}
	}
}

func TestCRCJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.Byte()).Draw(t, "a"), rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		whole := objectstore.CRC(0).Add(a).Add(b)
		if joined := objectstore.CRC(0).Add(a).Join(objectstore.CRC(0).Add(b), int64(len(b))); joined != whole {
			t.Fatalf("joined %x, whole %x", uint64(joined), uint64(whole))
		}
	})
}

func BenchmarkCRCAdd(b *testing.B) {
	p := make([]byte, 1<<20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		objectstore.CRC(0).Add(p)
	}
}

func BenchmarkCRCJoin(b *testing.B) {
	for b.Loop() {
		objectstore.CRC(1).Join(2, 8<<20)
	}
}
