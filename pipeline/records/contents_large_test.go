package records_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// newLargeTable has a content of so many random bytes in the middle of 200 small
// ones, some of which are missing, and as many other records.
func newLargeTable(t testing.TB, large int64) *table {
	t.Helper()
	b := emptyTable(t)
	sizes := rand.New(rand.NewPCG(5, 6))
	objects := make([][]string, 4)
	for i := range 200 {
		id := fmt.Sprint("small-", i)
		of := &objects[i%len(objects)]
		*of = append(*of, binaryRow("", id, 1, "AVAILABLE"), version(fmt.Sprint("p-", i), 1, "AVAILABLE"))
		if i%50 != 7 {
			b.put(b.contents, id+"_1.pdf", sizes.IntN(40_000))
		}
		if i == 100 {
			*of = append(*of, binaryRow("", "large", 1, "AVAILABLE"))
			b.putRandom("large_1.bin", large)
		}
	}
	b.exportRows(objects)
	return b
}

// putRandom writes an object of n random bytes, of which no two stretches are alike.
func (b *table) putRandom(key string, n int64) {
	path := filepath.Join(b.contents, key)
	file, err := os.Create(path)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = io.CopyN(file, rand.NewChaCha8([32]byte{9}), n)
	if err := errors.Join(err, file.Close()); err != nil {
		b.t.Fatal(err)
	}
	b.date(path)
}

// TestKillWithinLargeContent: a content of 200 MB with the sizes that are usual,
// killed while it is staged, encoded and written.
func TestKillWithinLargeContent(t *testing.T) {
	b := newLargeTable(t, 200_000_001)
	recordstest.KillWithinLarge(t, func(t *testing.T) recordstest.Job {
		j := newContentsJob(t, b, "")
		j.RangeBytes = 4 << 20
		j.Place = j.vault
		j.Options.CutEvery, j.Options.CutBytes = 50*time.Millisecond, 8_000_000
		o := j.Options.Binaries
		o.Caps = shard.Caps{FileBytes: 300_000_000, FolderBytes: 400_000_000, FolderFiles: 10}
		o.SmallBytes, o.ChunkBytes = 64<<10, 0
		return j.Job
	},
		recordstest.Moment{Since: "range", Point: "range", N: 20},
		recordstest.Moment{Since: "range", Within: 100 * time.Millisecond},
		recordstest.Moment{Since: "chunk", Point: "chunk", N: 60},
		recordstest.Moment{Since: "chunk", Point: "written", N: 60},
		recordstest.Moment{Since: "chunk", Within: 300 * time.Millisecond},
	)
}
