package records

import (
	"fmt"
	"runtime"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// Options are the settings of one job. Those above the line shape the output
// and belong to the fingerprint; those below never do (I3).
type Options struct {
	Job     string
	Convert convert.Options // filters and tenant; MaxLine is set from Caps
	Caps    shard.Caps
	Lanes   int
	// BatchBytes and SegmentEntries are constants of the format version that
	// tests scale down; 0 means the constant.
	BatchBytes     int
	SegmentEntries int
	// Binaries, and Contents with it, run the second pipeline; nil: Binary rows are
	// written as they are. What follows from this job is set here.
	Binaries *binaries.Options
	// BinariesUnset stops the job at the first Binary row that is to be written:
	// nobody has said what becomes of its content.
	BinariesUnset bool

	// ---

	Contents pipeline.Contents // of Binaries

	State   string // directory of open ledger rows; PHI
	Claim   []byte // what _fhirhose/claim.json holds while this run owns the sink
	Prefix  string // what migration_output.json puts before a file's name: "[<tenant>/]<job>/"
	Memory  int64  // bytes that the whole process may use
	Beside  int64  // of these, what the sink holds
	Workers int    // at most; 0 = one per core
	Spool   int64  // bytes of staged objects that may lie ahead
	// A cut is due CutEvery or CutBytes of output after the last, but never
	// sooner than CutRest times the last cut's duration, so that commits cost
	// 1/CutRest at most; 0 means 2 s, 256 MB and 20, a negative CutRest none.
	CutEvery time.Duration
	CutBytes int64
	CutRest  int
	// OnCut is called after every commit, and at the end, for status.json.
	OnCut func() error
}

const (
	segmentEntries = 1 << 18
	cutEvery       = 2 * time.Second
	cutBytes       = 256_000_000
	cutRest        = 20
)

// MinMemory is the smallest limits.memory that a job can keep (I7).
const MinMemory = 128 << 20

// memoryPlan divides limits.memory, so that the promise I7 holds by addition.
type memoryPlan struct {
	workers int
	depth   int   // batches of one lane that may wait for the merge
	batches int   // converted batches in the whole pipeline
	buffers int64 // newest bytes of open files, all writers together
}

const (
	// processBytes is what the runtime, the libraries and the open checkpoint use.
	processBytes = 40 << 20
	// heavyBytes is set aside for the one heavy thing at a time: sealing a
	// ledger segment, or a batch with records of many MiB.
	heavyBytes = 42 << 20
	// laneBytes: inflate window, read buffer.
	laneBytes = 192 << 10
	// workerBytes: input batch, converted batch before grouping, canonical form.
	workerBytes = 1536 << 10
	// batchBytes is a converted batch of ordinary records, with ledger rows.
	batchBytes = 448 << 10
	// stubBytes is what a batch of nothing but Binary rows holds besides.
	stubBytes = 512 << 10
)

// batchCost is what one batch of the plan holds.
func (o *Options) batchCost() int64 {
	if o.Convert.BinaryField != "" {
		return batchBytes + stubBytes
	}
	return batchBytes
}

func (o *Options) plan() (memoryPlan, error) {
	p := memoryPlan{workers: o.Workers}
	if p.workers <= 0 {
		p.workers = runtime.GOMAXPROCS(0)
	}
	free := o.Memory - o.Beside - o.binaryMemory() - processBytes - heavyBytes - int64(o.Lanes)*laneBytes
	least := int64(o.Lanes+2)*o.batchCost() + workerBytes
	if o.Memory < MinMemory || free < least {
		return p, &pipeline.Error{
			Op: "divide limits.memory", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("%d MiB do not hold %d lanes", o.Memory>>20, o.Lanes),
			Hint: fmt.Sprintf("set limits.memory to at least %d MiB", max(MinMemory, processBytes+heavyBytes+int64(o.Lanes)*laneBytes+2*least+o.binaryMemory()+o.Beside)>>20),
		}
	}
	p.workers = int(min(int64(p.workers), max(1, free/3/workerBytes)))
	// Enough batches to keep all workers busy while one lane is late.
	wanted := 1 + (4*p.workers)/max(1, o.Lanes)
	p.depth = int(min(int64(wanted), max(1, free/3/(int64(o.Lanes)*o.batchCost()))))
	p.batches = o.Lanes*p.depth + 2*p.workers
	p.buffers = free / 4
	return p, nil
}

func (o *Options) setDefaults() {
	if o.BatchBytes == 0 {
		o.BatchBytes = pipeline.BatchBytes
	}
	if o.SegmentEntries == 0 {
		o.SegmentEntries = segmentEntries
	}
	if o.CutEvery == 0 {
		o.CutEvery = cutEvery
	}
	if o.CutBytes == 0 {
		o.CutBytes = cutBytes
	}
	if o.CutRest == 0 {
		o.CutRest = cutRest
	}
	o.Convert.MaxLine = o.Caps.MaxLine()
}

// Shape returns every setting that shapes the output, by the name that the
// operator knows it by: the options' part of the job's fingerprint.
func (o *Options) Shape() map[string]string {
	shape := map[string]string{
		"job":                     o.Job,
		"source.tenant":           o.Convert.Tenant,
		"source.since":            o.Convert.Since,
		"source.until":            o.Convert.Until,
		"source.types":            fmt.Sprint(o.Convert.Types),
		"source.deleted":          fmt.Sprint(o.Convert.Deleted),
		"layout.max_file_size":    fmt.Sprint(o.Caps.FileBytes),
		"layout.max_folder_size":  fmt.Sprint(o.Caps.FolderBytes),
		"layout.max_folder_files": fmt.Sprint(o.Caps.FolderFiles),
		"layout.lanes":            fmt.Sprint(o.Lanes),
	}
	if b := o.Binaries; b != nil {
		shape["source.binaries"] = "fetch" // wherever a copy of the bucket lies
		shape["source.binary_field"] = b.Field
		shape["source.recover_deleted"] = fmt.Sprint(b.RecoverDeleted)
		shape["layout.max_binary_file_size"] = fmt.Sprint(b.Caps.FileBytes)
	}
	return shape
}
