package output

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// Options are the settings of one Output.
type Options struct {
	Name   string // of the pipeline: its buckets in the checkpoint, its files in State
	Ledger string // what its ledger segments are called before their number
	State  string // directory of open ledger rows; PHI

	SegmentEntries int   // of a full ledger segment
	Writers        int   // goroutines that own files
	Buffers        int64 // newest bytes of open files, all writers together
	CutRest        int   // times a cut's duration before the next is due
	Heavy          Token // held while a ledger segment is sealed
	Watch          Watch
}

// Watch is told what happens, for the operator.
type Watch interface {
	FileOpened()
	FileSealed()
	// FileKnown tells of a file that an earlier process has begun.
	FileKnown(sealed bool)
	// CutDone is called after every commit.
	CutDone(took time.Duration) error
}

// Batch is what a producer hands over at once. Its readers are the writers and
// the ledger, at the same time.
type Batch interface {
	// Pieces are the runs of lines for one writer, in order.
	Pieces(writer int) []Piece
	// Written is called once by each writer, when it needs no bytes any more.
	Written()
	// Rows are ledger rows in record order, as ledger.AppendRow makes them.
	Rows() []byte
	// Tenant returns whose ledger a row belongs to. It must be admitted.
	Tenant(row int) string
	// Place returns where the record of a row was written. It is called once for
	// each row, in order.
	Place(row int) (place Place, written bool)
	// Release is called once by each reader, at its end.
	Release()
}

// Piece is a run of lines for one file.
type Piece struct {
	File    *shard.File
	Lines   int   // that end in it
	Longest int64 // bytes of the longest of them, with its LF
	Data    []byte
	First   bool // the file begins here
}

// Place is where a line was written.
type Place struct{ Folder, File, Line uint32 }

// Output is the end of one pipeline. One goroutine, the producer, calls its
// methods.
type Output struct {
	options Options
	sinks   *Sinks
	store   Checkpoint

	// The stages that it works in.
	Write, Ledger, Cuts Stage

	writers   []*writer
	closed    [][]*shard.File // by writer; scratch of Send
	book      *book
	seals     chan *seal
	segments  chan segment
	committer *committer
}

// New returns an Output at its beginning. It does no I/O.
func New(options Options, sinks *Sinks, store Checkpoint) *Output {
	o := &Output{
		options: options, sinks: sinks, store: store,
		closed:   make([][]*shard.File, options.Writers),
		seals:    make(chan *seal, settlers),
		segments: make(chan segment, 1),
	}
	for n := range options.Writers {
		o.writers = append(o.writers, &writer{
			o: o, n: n, jobs: make(chan job, 2), files: make(map[*shard.File]*open),
			budget: options.Buffers / int64(options.Writers),
		})
	}
	o.book = newBook(o)
	o.committer = &committer{o: o, cuts: make(chan *cut, 1), idle: make(chan struct{}, 1)}
	o.nameStages()
	return o
}

func (o *Output) nameStages() {
	o.Write.Name, o.Write.Queue = "write", func() (n, capacity int) {
		for _, w := range o.writers {
			n += len(w.jobs)
		}
		return n, len(o.writers) * cap(o.writers[0].jobs)
	}
	o.Ledger.Name, o.Ledger.Queue = "ledger", func() (int, int) { return len(o.book.jobs), cap(o.book.jobs) }
	o.Cuts.Name, o.Cuts.Queue = "cut", func() (int, int) { return int(o.committer.pending.Load()), 1 }
}

// sealers is how many files get their final name at the same time.
const sealers = 16

// Start starts the stages. They end after Close, when all is done.
func (o *Output) Start(ctx context.Context, group *errgroup.Group) {
	for _, w := range o.writers {
		group.Go(func() error { return w.run(ctx) })
	}
	for range sealers {
		group.Go(func() error { return o.runSealer(ctx) })
	}
	group.Go(func() error { return o.book.run(ctx) })
	for range segmentSealers {
		group.Go(func() error { return o.runSegments(ctx) })
	}
	group.Go(func() error { return o.committer.run(ctx) })
}

// Close ends the stages, after their last piece of work.
func (o *Output) Close() {
	for _, w := range o.writers {
		close(w.jobs)
	}
	close(o.book.jobs)
	close(o.seals)
	close(o.segments)
	close(o.committer.cuts)
}

// Writers is how many readers a batch has besides the ledger.
func (o *Output) Writers() int { return len(o.writers) }

// WriterOf spreads slots over writers, so that a file always has the same one.
func (o *Output) WriterOf(s *shard.Slot) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Tenant + s.Type)) // never fails
	return int((h.Sum32() + s.Version) % uint32(len(o.writers)))
}

// InMemory is the size of all buffers with newest bytes. Any goroutine may ask.
func (o *Output) InMemory() (n int64) {
	for _, w := range o.writers {
		n += w.inMemory.Load()
	}
	return n
}

// Send hands a batch, and the files that closed with it, to their readers. A nil
// batch carries closed files only.
func (o *Output) Send(ctx context.Context, b Batch, closed []*shard.File) error {
	clear(o.closed) // the writers keep the slices
	for _, f := range closed {
		n := o.WriterOf(f.Slot)
		o.closed[n] = append(o.closed[n], f)
	}
	for i, w := range o.writers {
		if err := Send(ctx, w.jobs, job{batch: b, closed: o.closed[i]}); err != nil {
			return err
		}
	}
	if b == nil {
		return nil
	}
	return Send(ctx, o.book.jobs, job{batch: b})
}

// Snapshot is what a producer knows of the moment of a cut.
type Snapshot struct {
	State any  // stored as JSON, when all that the cut covers is durable
	Last  bool // nothing comes after it
	// Settle, unless it is nil, makes durable what the producer keeps elsewhere,
	// and may complete State. It runs beside the flow of data.
	Settle func(ctx context.Context) error
	// Committed is called after the commit.
	Committed func() error
}

// Cut sends a snapshot behind everything that was handed over, once the last one
// is committed.
func (o *Output) Cut(ctx context.Context, s Snapshot) error {
	c := &cut{Snapshot: s, parts: make(chan cutPart, len(o.writers)+1)}
	for _, w := range o.writers {
		if err := Send(ctx, w.jobs, job{cut: c}); err != nil {
			return err
		}
	}
	if err := Send(ctx, o.book.jobs, job{cut: c}); err != nil {
		return err
	}
	return o.committer.send(ctx, c)
}

// Rested tells whether the last cut is committed and paid for.
func (o *Output) Rested(now time.Time) bool { return o.committer.rested(now) }

// Drain waits until every cut that was sent is committed.
func (o *Output) Drain(ctx context.Context) error { return o.committer.drain(ctx) }

// ErrStopped is what a pipeline's Run returns after a stop was asked for and
// everything that it had handed over is committed.
var ErrStopped = errors.New("stopped; the same command goes on from the last cut")

// Damaged is a checkpoint that can be opened but makes no sense, or does not fit
// what lies beside it in `state`.
func Damaged(err error) error {
	return &pipeline.Error{
		Op: "read checkpoint", Kind: pipeline.KindCheckpoint, Err: err,
		Hint: "restore `state` from a copy, or begin again with `fhirhose move --restart`",
	}
}
