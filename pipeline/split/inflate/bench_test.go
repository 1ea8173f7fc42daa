package inflate

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// rows is a small export, about 9:1, unless FHIRHOSE_BENCH_GZ names a file.
var rows = sync.OnceValue(func() []byte {
	if name := os.Getenv("FHIRHOSE_BENCH_GZ"); name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		return data
	}
	return nil
})

var _ = generate.Write
var _ = filepath.Join

const (
	batchBytes = 256 << 10
	fillBytes  = 64 << 10
)

// BenchmarkFill is how package split reads.
func BenchmarkFill(b *testing.B) {
	compressed := rows()
	batch := make([]byte, batchBytes+fillBytes)
	var r Reader
	var total int64
	b.ReportAllocs()
	for b.Loop() {
		total = 0
		r.Reset(bytes.NewReader(compressed))
		for at := 0; ; {
			n, err := r.Fill(batch[:at+fillBytes], at)
			total += int64(n)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if at += n; at >= batchBytes {
				r.Keep()
				at = 0
			}
		}
	}
	b.SetBytes(total)
}

func BenchmarkKlauspost(b *testing.B) {
	z := new(gzip.Reader)
	benchmarkReader(b, func(r io.Reader) (io.Reader, error) { return z, z.Reset(r) })
}

func BenchmarkStandard(b *testing.B) {
	z := new(stdgzip.Reader)
	benchmarkReader(b, func(r io.Reader) (io.Reader, error) { return z, z.Reset(r) })
}

func benchmarkReader(b *testing.B, open func(io.Reader) (io.Reader, error)) {
	compressed := rows()
	p := make([]byte, batchBytes)
	var total int64
	b.ReportAllocs()
	for b.Loop() {
		total = 0
		r, err := open(bytes.NewReader(compressed))
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			var n int
			n, err = r.Read(p)
			total += int64(n)
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
	b.SetBytes(total)
}
