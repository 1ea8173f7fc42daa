package binaries

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// BenchmarkPipeline moves contents from memory to the disk. Bytes are those of the
// contents.
func BenchmarkPipeline(b *testing.B) {
	for _, shape := range []struct{ objects, size int }{{10_000, 10_000}, {300, 200_000}, {3, 50_000_000}} {
		b.Run(fmt.Sprintf("%dx%d", shape.objects, shape.size), func(b *testing.B) {
			contents := newBucket()
			var rows []row
			for i := range shape.objects {
				rows = append(rows, row{fmt.Sprintf("id-%d", i), 1, "AVAILABLE", "", ""})
				contents.put(fmt.Sprintf("id-%d_1.pdf", i), bytes.Repeat([]byte("content "), shape.size/8))
			}
			b.SetBytes(int64(shape.objects * shape.size))
			for b.Loop() {
				b.StopTimer()
				j := newJob(b, rows, contents)
				j.log()
				o := &j.options
				o.Caps = shard.Caps{FileBytes: 512_000_000, FolderBytes: 500e9, FolderFiles: 10_000}
				o.SmallBytes, o.ChunkBytes, o.Window, o.Fetches, o.CutEvery, o.CutRest = 0, 0, 0, 32, 0, 0
				b.StartTimer()
				j.mustRun()
			}
		})
	}
}
