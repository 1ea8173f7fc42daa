package convert

import (
	"crypto/sha256"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
)

// BenchmarkConvert converts realistic rows; bytes are those of the source.
func BenchmarkConvert(b *testing.B) {
	all, size := benchRows(b)
	run := func(name string, o Options) {
		b.Run(name, func(b *testing.B) {
			c, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			var r Record
			dst := make([]byte, 0, 4<<20)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				for _, row := range all {
					dst = c.Convert(dst[:0], row, &r)
				}
			}
		})
	}
	run("written", Options{Deleted: true})
	// All that a written row costs but SHA-256 and the tags.
	run("filtered", Options{Deleted: true, Types: []string{"None"}})
}

// BenchmarkBinary converts rows of type Binary, as they are and for a second
// pipeline that adds their content.
func BenchmarkBinary(b *testing.B) {
	row := exported([]byte(`{"resourceType":"Binary","id":"6c5d9ca9-54d7-42f5-bfae-a7c19cd217f2","contentType":"application/pdf","securityContext":{"reference":"Patient/6c5d9ca9-54d7-42f5-bfae-a7c19cd217f2"}}`), 1, "AVAILABLE")
	for _, field := range []string{"", "data"} {
		b.Run("field="+field, func(b *testing.B) {
			c, err := New(Options{Deleted: true, BinaryField: field})
			if err != nil {
				b.Fatal(err)
			}
			var r Record
			var dst []byte
			b.SetBytes(int64(len(row)))
			b.ReportAllocs()
			for b.Loop() {
				dst = c.Convert(dst[:0], row, &r)
			}
		})
	}
}

// BenchmarkSHA256 is the part of BenchmarkConvert that SHA-256 takes.
func BenchmarkSHA256(b *testing.B) {
	all, size := benchRows(b)
	c, _ := New(Options{Deleted: true})
	var texts [][]byte
	var r Record
	for _, row := range all {
		c.Convert(nil, row, &r)
		texts = append(texts, append([]byte(nil), c.row.content...))
	}
	b.SetBytes(size)
	for b.Loop() {
		for _, text := range texts {
			sha256.Sum256(text)
		}
	}
}

// BenchmarkResource computes digests of the plain lines; bytes are those of the
// line.
func BenchmarkResource(b *testing.B) {
	all, _ := benchRows(b)
	c, _ := New(Options{Deleted: true})
	var out [][]byte
	var r Record
	var size int64
	for _, row := range all {
		out = append(out, c.Convert(nil, row, &r))
		size += int64(len(out[len(out)-1]))
	}
	var d digest.Digester
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, line := range out {
			if _, reason := d.Resource(line); reason != pipeline.NoReason {
				b.Fatal(reason)
			}
		}
	}
}

func benchRows(b *testing.B) (all [][]byte, size int64) {
	all = rows(b, 1)
	for _, row := range all {
		size += int64(len(row))
	}
	return all, size
}
