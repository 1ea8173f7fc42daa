package inflate

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// FuzzGzip feeds whole files, which mostly break in the header or the checksum.
func FuzzGzip(f *testing.F) {
	for _, file := range samples(f) {
		f.Add(file, uint64(len(file)))
	}
	f.Fuzz(func(t *testing.T, compressed []byte, seed uint64) {
		if len(compressed) > 2<<10 { // a bomb would only cost time
			return
		}
		agree(t, compressed, seed)
	})
}

// FuzzDeflate feeds what stands between a sound header and a trailer that fits
// whatever the standard library makes of it.
func FuzzDeflate(f *testing.F) {
	for _, file := range samples(f) {
		f.Add(file[10:], uint64(len(file)))
	}
	f.Fuzz(func(t *testing.T, deflated []byte, seed uint64) {
		if len(deflated) > 2<<10 {
			return
		}
		agree(t, member(deflated), seed)
	})
}

// samples are small files with every kind of block and header field.
func samples(f testing.TB) [][]byte {
	var files [][]byte
	text := bytes.Repeat([]byte(`{"Item":{"id":{"S":"0123"},"vid":{"N":"1"}}}`+"\n"), 20)
	for i := range text {
		text[i] += byte(i % 61 / 60)
	}
	for level := gzip.StatelessCompression; level <= gzip.BestCompression; level++ {
		var out bytes.Buffer
		w, err := gzip.NewWriterLevel(&out, level)
		if err != nil {
			f.Fatal(err)
		}
		if level > 7 {
			w.Name, w.Comment, w.Extra = "name", "comment", []byte{1, 2, 3}
		}
		_, _ = w.Write(text)
		_ = w.Flush()
		_, _ = w.Write(text[:100])
		_ = w.Close()
		files = append(files, out.Bytes())
	}
	return append(files, append(bytes.Clone(files[3]), files[5]...))
}
