package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// typical returns n entries of a FHIR Works table: UUID ids of 140 types, one
// to four versions each, a label digest per type, 30,000 lines per file, 16 lanes
// that read objects of a million records among 8,000, versions side by side.
func typical(segment, n int) []ledger.Entry {
	entries := make([]ledger.Entry, 0, n)
	for i := 0; len(entries) < n; i++ {
		h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(segment)<<32|uint64(i)))
		id := fmt.Appendf(nil, "%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
		typ := int(h[16]) % 140
		versions := 1 + int(h[17])%4
		for v := 1; v <= versions && len(entries) < n; v++ {
			status := pipeline.Deleted
			if v == versions {
				status = pipeline.Available
			}
			h[30] = byte(v)
			entries = append(entries, ledger.Entry{
				Type: fmt.Appendf(nil, "ResourceType%d", typ), ID: id, Version: uint32(v),
				LastUpdated: 1500000000000 + int64(binary.BigEndian.Uint32(h[18:]))*50,
				Status:      status, Content: sha256.Sum256(h[:]), Label: digestOf(byte(typ)),
				Folder: uint32(h[23] % 4), File: uint32(i / 200000), Line: uint32(binary.BigEndian.Uint16(h[24:])),
				Object: uint32(8000 - 16*(segment%500+1) + i%16), Record: int64(binary.BigEndian.Uint32(h[26:]))%1_000_000 + int64(v),
			})
		}
	}
	return entries
}

func BenchmarkAppendRow(b *testing.B) {
	entries := typical(0, 1000)
	var dst []byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		dst = ledger.AppendRow(dst[:0], &entries[i%len(entries)])
	}
	b.ReportMetric(float64(len(dst)), "bytes/row")
}

func BenchmarkSeal(b *testing.B) {
	rows := rowsOf(typical(0, ledger.SegmentEntries))
	b.ReportAllocs()
	var info ledger.Info
	for b.Loop() {
		var err error
		if info, err = ledger.Seal(io.Discard, rows, ledger.SegmentEntries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Bytes)/float64(info.Entries), "bytes/entry")
	b.ReportMetric(float64(len(rows))/float64(info.Entries), "bytes/row")
	b.ReportMetric(float64(info.Entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkSummarize(b *testing.B) {
	for _, segments := range []int{1, 8, 4096} {
		b.Run(fmt.Sprint(segments), func(b *testing.B) {
			files := make([]ledger.File, segments)
			for i := range files {
				files[i] = bytes.NewReader(seal(b, typical(i, ledger.SegmentEntries*8/max(8, segments))))
			}
			l, err := ledger.Open(b.Context(), files)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Summarize(b.Context(), 64<<20); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(l.Entries())*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
