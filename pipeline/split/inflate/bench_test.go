package inflate

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// rows is an object of a generated export, or the file that FHIRHOSE_BENCH_GZ
// names.
func rows(b *testing.B) []byte {
	name := os.Getenv("FHIRHOSE_BENCH_GZ")
	if name == "" {
		export, err := generate.Write(b.Context(), generate.Options{Dir: b.TempDir(), Resources: 20_000, Objects: 1})
		if err != nil {
			b.Fatal(err)
		}
		name = export.Objects[0].Path
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

const (
	batchBytes = 256 << 10
	fillBytes  = 64 << 10
)

// BenchmarkFill is how package split reads.
func BenchmarkFill(b *testing.B) {
	compressed := rows(b)
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
	compressed := rows(b)
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
