package binaries

import (
	"context"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// Name is what this pipeline's state is called, in the checkpoint too.
const Name = "binaries"

const ledgerPrefix = "Binary-"

// Pipeline gives the Binaries of one job their contents. It is used for one Run.
type Pipeline struct {
	options  Options
	plan     memoryPlan
	opening  string // of a content in its line
	contents pipeline.Contents
	feed     *stub.Log
	sinks    *output.Sinks
	store    output.Checkpoint
	out      *output.Output

	live   *live
	past   state // of the last cut; zero at the beginning
	placer *placer
	spool  *spool
	stubs  *ring
	lines  *ring
	raw    []byte // of the placer: a chunk of a large content

	digests *digests

	items   chan *item  // not in use
	batches chan *batch // not in use
	// Rows, in order, to admit and place; and the same to those who work on them.
	looked, placing          chan *item
	lookups, fetches, stages chan *item

	finding, fetching, staging output.Stage
}

// New prepares the pipeline. It does no I/O. Limits that cannot fit are a
// KindConfig error. What it writes goes to the record pipeline's sink and
// checkpoint, under names of its own.
func New(options Options, contents pipeline.Contents, feed *stub.Log, sinks *output.Sinks, store output.Checkpoint) (*Pipeline, error) {
	options.setDefaults()
	plan, err := options.plan()
	if err != nil {
		return nil, err
	}
	p := &Pipeline{
		options: options, plan: plan, opening: openingOf(options.Field),
		contents: contents, feed: feed, sinks: sinks, store: store, live: newLive(), digests: newDigests(),
		spool: newSpool(filepath.Join(options.State, Name), options.Spool),
		stubs: newRing(plan.stubs), lines: newRing(plan.contents),
		raw:   make([]byte, options.ChunkBytes),
		items: make(chan *item, options.Window), batches: make(chan *batch, batches),
		looked: make(chan *item, options.Window), placing: make(chan *item, options.Window),
		lookups: make(chan *item, options.Window), fetches: make(chan *item),
		stages: make(chan *item, options.Window), // a large content must not hold up the small ones behind it
	}
	p.out = output.New(output.Options{
		Name: Name, Ledger: ledgerPrefix, State: options.State, SegmentEntries: options.SegmentEntries,
		Writers: plan.writers, Buffers: plan.buffers, CutRest: options.CutRest,
		Heavy: options.Heavy, Watch: watch{p},
	}, sinks, store)
	p.nameStages()
	for range options.Window {
		p.items <- newItem()
	}
	for range batches {
		p.batches <- newBatch(p, plan.writers)
	}
	return p, nil
}

// nameStages tells the operator's view where each stage's queue is.
func (p *Pipeline) nameStages() {
	queue := func(c chan *item) func() (int, int) { return func() (int, int) { return len(c), cap(c) } }
	p.finding.Name, p.finding.Queue = "find", queue(p.lookups)
	p.fetching.Name, p.fetching.Queue = "fetch", queue(p.placing) // fetched, or under way
	p.staging.Name, p.staging.Queue = "stage", queue(p.stages)
}

// Output is where the pipeline ends: its files, for the manifest and the ledger.
func (p *Pipeline) Output() *output.Output { return p.out }

// Resume brings the pipeline back to its last cut, or to the beginning. open are
// the files of Output.Open, for which the sink was swept before. It comes once,
// before Run and Orphans.
func (p *Pipeline) Resume(open []output.File) error {
	for _, dir := range []string{filepath.Join(p.options.State, "open"), p.spool.dir} {
		if err := durable.MkdirAll(dir); err != nil {
			return durable.Failure("make directory", dir, err)
		}
	}
	p.placer = &placer{
		p: p, sharder: shard.New(p.options.Caps), slots: newSlots(p.out.WriterOf), typ: []byte(binaryType),
		admitted: make(map[string]bool), named: namedFile{path: filepath.Join(p.spool.dir, "named")},
	}
	found, err := p.out.State(&p.past)
	if err != nil {
		return err
	}
	if err := p.spool.sweep(p.past.Placed); err != nil || !found {
		return err
	}
	return p.restore(open)
}

func (p *Pipeline) restore(open []output.File) error {
	g := p.placer
	g.position, g.placed, g.resume = p.past.Position, p.past.Placed, p.past.Large
	if err := p.live.restore(p.past.Totals, p.past.Placed); err != nil {
		return output.Damaged(err)
	}
	if err := g.named.resume(p.past.Named); err != nil {
		return err
	}
	files := make([]shard.OpenFile, len(open))
	for i, f := range open {
		files[i] = f.OpenFile
	}
	placed, err := g.sharder.Restore(p.past.Folders, files, func(tenant, resourceType string, version uint32) *shard.Slot {
		return g.slots.get(slotKey{tenant, resourceType, version}).Slot
	})
	if err != nil {
		return output.Damaged(err)
	}
	p.live.foldersAre(g.sharder.Count())
	if err := p.out.Restore(open, placed); err != nil {
		return err
	}
	return p.feed.Discard(p.past.Position) // what an earlier process was killed over
}

// Run writes everything that an earlier run has not committed, and returns nil
// when the record pipeline is done and all of its Binaries are committed. Closing
// stop drains to a cut, and Run returns output.ErrStopped. Cancelling ctx stops at once.
func (p *Pipeline) Run(ctx context.Context, stop <-chan struct{}) error {
	if p.past.AllRead {
		return nil
	}
	p.placer.stop = stop
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.read(ctx) })
	group.Go(func() error { return p.admit(ctx) })
	for range p.options.Fetches {
		group.Go(func() error { return work(ctx, &p.finding, p.lookups, p.lookUp) })
		group.Go(func() error { return work(ctx, &p.fetching, p.fetches, p.newFetcher().fetch) })
	}
	for range p.options.Stagers {
		group.Go(func() error { return work(ctx, &p.staging, p.stages, p.stage) })
	}
	p.out.Start(ctx, group)
	group.Go(func() error {
		if err := p.placer.run(ctx); err != nil {
			return err
		}
		p.out.Close()
		return nil
	})
	return group.Wait()
}
