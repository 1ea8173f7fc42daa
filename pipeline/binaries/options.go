package binaries

import (
	"fmt"
	"runtime"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// Options are the settings of one pipeline. Those above the line shape the output
// and belong to the fingerprint; those below never do (I3).
type Options struct {
	Tenant  string     // of the job: "", an id, or convert.AllTenants
	Caps    shard.Caps // own ones: Binaries may have larger files than records
	Field   string     // where the content goes: "data" in R4, "content" in STU3
	Objects []pipeline.Object

	// RecoverDeleted looks for contents of DELETED rows among the noncurrent
	// versions of the bucket's objects; those of other rows are always looked for.
	RecoverDeleted bool

	SegmentEntries int // of a full ledger segment

	// ---

	State   string       // directory of staged contents and open ledger rows; PHI
	Memory  int64        // bytes that this pipeline may use
	Fetches int          // contents that are looked up, and fetched, at the same time; 0 = 32
	Stagers int          // large contents that are staged at the same time; 0 = 2
	Spool   int64        // bytes of staged contents
	Heavy   output.Token // held while a ledger segment is sealed; nil: one of its own

	// As in the record pipeline: 0 means 2 s, 256 MB and 20.

	CutEvery time.Duration
	CutBytes int64
	CutRest  int
	OnCut    func() error // called after every commit; may be nil

	// What tests scale down; 0 means the constants below.

	SmallBytes int64 // longest content that is fetched into memory
	ChunkBytes int   // of a large content, a multiple of 3
	Window     int   // rows between read and written
}

const (
	defaultFetches = 32
	defaultStagers = 2
	defaultWindow  = 1024

	segmentEntries = 1 << 18
	cutEvery       = 2 * time.Second
	cutBytes       = 256_000_000
	cutRest        = 20

	smallBytes = 4 << 20
	chunkBytes = 3 << 18 // 1 MiB of base64
	maxWriters = 4
)

// MinMemory is the smallest Memory that a pipeline can keep (I7).
const MinMemory = 32 << 20

// memoryPlan divides Options.Memory, so that the promise I7 holds by addition.
type memoryPlan struct {
	writers  int
	buffers  int64 // newest bytes of open files
	stubs    int   // rows between read and written
	contents int   // lines between admitted and written
	small    int64 // longest content that is fetched into memory
}

const (
	// fetchBytes is what one fetch takes besides its line: its read buffer, and
	// those of the connection.
	fetchBytes = readBytes + 64<<10
	// batches are under way to the writers at the same time.
	batches = 6
	// batchBytes ends a batch of small lines.
	batchBytes = 1 << 20
)

func (o *Options) plan() (memoryPlan, error) {
	p := memoryPlan{writers: min(runtime.GOMAXPROCS(0), maxWriters)}
	chunks := int64(batches+1) * encodedLen(int64(o.ChunkBytes))
	free := o.Memory - chunks - int64(o.Fetches)*fetchBytes
	if o.Memory < MinMemory || free < MinMemory/2 {
		return p, &pipeline.Error{
			Op: "divide limits.memory", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("%d MiB do not hold %d fetches of Binaries", o.Memory>>20, o.Fetches),
			Hint: fmt.Sprintf("set limits.memory at least %d MiB higher", max(MinMemory-o.Memory, MinMemory/2-free)>>20+1),
		}
	}
	p.buffers, p.stubs = free/4, int(free/8)
	p.contents = int(free - p.buffers - int64(p.stubs))
	p.small = min(o.SmallBytes, int64(p.contents)/4)
	return p, nil
}

func setDefault[T comparable](setting *T, value T) {
	var zero T
	if *setting == zero {
		*setting = value
	}
}

func (o *Options) setDefaults() {
	setDefault(&o.Field, "data")
	setDefault(&o.SegmentEntries, segmentEntries)
	setDefault(&o.Fetches, defaultFetches)
	setDefault(&o.Stagers, defaultStagers)
	setDefault(&o.CutEvery, cutEvery)
	setDefault(&o.CutBytes, cutBytes)
	setDefault(&o.CutRest, cutRest)
	setDefault(&o.SmallBytes, smallBytes)
	setDefault(&o.ChunkBytes, chunkBytes)
	setDefault(&o.Window, defaultWindow)
	if o.Heavy == nil {
		o.Heavy = output.NewToken()
	}
}
