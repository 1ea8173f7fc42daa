package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"math"
	"runtime"
	"time"
	"unsafe"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Object is one exported object: NDJSON, one resource per line.
type Object struct {
	Name string
	Size int64
	Tag  string // names the content, like an ETag; may be ""
}

func (o *Object) id() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q %q", o.Size, o.Name, o.Tag))
	return hex.EncodeToString(sum[:8])
}

// Export is what a target exported. It must not change.
type Export interface {
	// Objects yields all objects, always in the same order. A Finding names one
	// by its number in it, from 0. An error ends it.
	Objects(ctx context.Context) iter.Seq2[Object, error]

	// Open returns the bytes of an object from offset on. It is called by several
	// goroutines. Reading returns ctx.Err() on cancel; repeating failed reads is
	// the Export's business.
	Open(ctx context.Context, object Object, offset int64) (io.ReadCloser, error)
}

// Options are those of one verification.
type Options struct {
	// Dir is the work directory. It belongs to one export, one ledger and one process.
	Dir string
	// Workers is how many objects are digested at a time, at most; 0: one per core.
	Workers int
	// Memory bounds what is held, in bytes; 0: 256 MiB. Beside it a line of 512 KiB
	// to 16 MiB, one at a time, needs six times its length, and Compare 53 KB for
	// each resource type.
	Memory int
	// Imported is when the last import and delete ended, by the target's clock:
	// what was written later was not written by us. The zero value is unknown.
	Imported time.Time
	// Marks are what the target adds of its own accord.
	Marks Marks
	// Refused tells whether the target's import reported that it refused a record that
	// was written; nil: nothing is known.
	Refused func(*ledger.Entry) bool
	// Digested is told, from several goroutines, what was read; it may be nil.
	Digested func(lines, bytes int64)
	// Covered is told, before anything is read, what earlier calls have read; it may
	// be nil.
	Covered func(lines, bytes int64)

	// Tests make runs smaller, and merges narrower, than Memory does.
	runTuples, mostRuns int
}

const (
	defaultMemory = 256 << 20
	// minMemory is the least that one worker and a merge can work with.
	minMemory = 4 << 20
	// mostTuples and leastTuples bound a worker's run.
	mostTuples  = 1 << 18
	leastTuples = 1 << 10
	// runBytes of an export end a run, so that a kill costs seconds.
	runBytes = 256 << 20
	// runTypes and maxTypes bound the resource types of a run and of an export.
	// FHIR has about 150.
	runTypes = 256
	maxTypes = 1024
	// tupleMemory is what a tuple takes in memory, cursorMemory what a run takes
	// in a merge beside its buffer: itself, its footer and the types in it.
	tupleMemory  = 104
	cursorMemory = 1 << 10
	// workerMemory is the least that a worker takes: buffers of lines and of runs.
	workerMemory = 2 << 20
)

func (o *Options) memory() int {
	if o.Memory == 0 {
		return defaultMemory
	}
	return o.Memory
}

// workers are fewer where memory would not do for more.
func (o *Options) workers() int {
	n := o.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	return max(1, min(n, o.memory()/2/workerMemory))
}

// types returns how many types one run may have.
func (o *Options) types() int {
	return min(runTypes, max(8, o.memory()/8/o.workers()/int(unsafe.Sizeof(cells{}))))
}

// tuples returns how many tuples a worker gathers.
func (o *Options) tuples() int {
	if o.runTuples > 0 {
		return o.runTuples
	}
	return min(mostTuples, max(leastTuples, o.memory()*3/8/o.workers()/tupleMemory))
}

// runs returns how many runs one merge may read.
func (o *Options) runs() int {
	if o.mostRuns > 0 {
		return o.mostRuns
	}
	return max(2, o.memory()/4/(leastBuffer+cursorMemory))
}

// imported returns the time after which nothing is ours, Unix ms.
func (o *Options) imported() int64 {
	if o.Imported.IsZero() {
		return math.MaxInt64
	}
	return o.Imported.UnixMilli()
}

func (o *Options) check() error {
	if o.memory() < minMemory || o.Workers < 0 {
		return &pipeline.Error{
			Op: "verify", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("%d bytes of memory, %d are the least", o.memory(), minMemory),
			Hint: "raise limits.memory",
		}
	}
	return nil
}
