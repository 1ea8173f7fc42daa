package stub_test

import (
	"math"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// BenchmarkAppend and BenchmarkNext handle stubs of about a real row's size;
// bytes are those of the frame.
func BenchmarkAppend(b *testing.B) {
	s := ordinary()
	dst := stub.Append(nil, &s)
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		dst = stub.Append(dst[:0], &s)
	}
}

func BenchmarkNext(b *testing.B) {
	s := ordinary()
	frame := stub.Append(nil, &s)
	r := stub.NewReader(&endless{frames: frame}, "", 0, math.MaxInt64)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Next(&s); err != nil {
			b.Fatal(err)
		}
	}
}

func ordinary() stub.Stub {
	s := samples()[0]
	s.Raw = make([]byte, 650)
	return s
}
