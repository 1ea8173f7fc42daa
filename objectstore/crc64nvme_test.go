package objectstore_test

import (
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
