package split

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// rows returns about 32 MB of lines shaped like an export's, and their gzip,
// about 14:1.
var rows = sync.OnceValues(func() (plain, compressed []byte) {
	random := rand.New(rand.NewPCG(1, 2))
	codes := make([]string, 400)
	for i := range codes {
		codes[i] = fmt.Sprintf("%d-%d", random.IntN(100_000), random.IntN(10))
	}
	var text bytes.Buffer
	for text.Len() < 32<<20 {
		fmt.Fprintf(&text, `{"Item":{"resourceType":{"S":"Observation"},"id":{"S":"%016x"},"vid":{"N":"1"},"documentStatus":{"S":"AVAILABLE"}`, random.Uint64())
		for range 4 + random.IntN(12) {
			fmt.Fprintf(&text, `,"component":{"L":[{"M":{"id":{"S":"%x"},"code":{"M":{"coding":{"L":[{"M":{"system":{"S":"http://loinc.org"},"code":{"S":"%s"}}}]}}},"valueQuantity":{"M":{"value":{"N":"%d.%d"},"unit":{"S":"mm[Hg]"},"system":{"S":"http://unitsofmeasure.org"}}}}}]}`,
				random.Uint32(), codes[random.IntN(len(codes))], random.IntN(200), random.IntN(10))
		}
		text.WriteString("}}\n")
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text.Bytes())
	_ = w.Close()
	return text.Bytes(), out.Bytes()
})

// BenchmarkInflate is the floor: the decompressor alone.
func BenchmarkInflate(b *testing.B) {
	plain, compressed := rows()
	buffer := make([]byte, readBytes)
	var z inflater
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		z.reset(bytes.NewReader(compressed))
		for {
			_, err := z.Read(buffer)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(plain))/float64(len(compressed)), "ratio")
}

func BenchmarkNext(b *testing.B) {
	plain, compressed := rows()
	r := NewReader(bytes.NewReader(compressed), Options{})
	batches := make([]Batch, 16) // as many as are in flight: they do not all stay in the cache
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(bytes.NewReader(compressed))
		for i := 0; ; i++ {
			err := r.Next(&batches[i%len(batches)], false)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkSkip(b *testing.B) {
	plain, compressed := rows()
	r := NewReader(bytes.NewReader(compressed), Options{})
	end := position(string(plain), int64(len(plain)), 1)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(bytes.NewReader(compressed))
		if err := r.Skip(end); err != nil {
			b.Fatal(err)
		}
	}
}
