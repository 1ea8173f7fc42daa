package records

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// ErrStopped is what Run returns after a stop was asked for and everything that
// was merged is committed. The same job goes on from there.
var ErrStopped = errors.New("stopped; the same command goes on from the last cut")

// Mover moves the records of one source into one sink. It is used for one Run.
type Mover struct {
	options    Options
	plan       memoryPlan
	source     pipeline.Source
	sink       pipeline.Sink
	store      Checkpoint
	log        *slog.Logger
	objects    []pipeline.Object
	exportTime time.Time

	live    *live
	stages  stages
	catalog *catalog

	ready     chan *lane
	batches   chan *batch
	heavy     token
	allRead   chan struct{} // closed when no batch comes any more
	seals     chan *seal
	segments  chan segment
	stager    *stager
	merger    *merger
	writers   []*writer
	ledger    *book
	committer *committer
	cancelled func() error
}

// New prepares a job. It does no I/O. A combination of limits that cannot fit is
// a KindConfig error.
func New(options Options, source pipeline.Source, sink pipeline.Sink, store Checkpoint, log *slog.Logger) (*Mover, error) {
	options.setDefaults()
	plan, err := options.plan()
	if err != nil {
		return nil, err
	}
	m := &Mover{
		options: options, plan: plan, source: source, sink: sink, store: store, log: log,
		objects: source.Objects(), exportTime: source.ExportTime(),
		live:      newLive(),
		catalog:   newCatalog(plan.workers),
		ready:     make(chan *lane, options.Lanes),
		batches:   make(chan *batch, plan.batches),
		heavy:     newToken(),
		allRead:   make(chan struct{}),
		seals:     make(chan *seal, settlers),
		segments:  make(chan segment, 1),
		cancelled: func() error { return nil },
	}
	for range plan.batches {
		m.batches <- &batch{work: make([][]write, plan.workers)}
	}
	for n := range plan.workers {
		m.writers = append(m.writers, &writer{
			m: m, n: n, jobs: make(chan job, 2), files: make(map[*shard.File]*output),
			budget: plan.buffers / int64(plan.workers),
		})
	}
	m.ledger = &book{m: m, jobs: make(chan job, 2)}
	m.committer = &committer{m: m, cuts: make(chan *cut, 1), idle: make(chan struct{}, 1)}
	m.nameStages()
	return m, nil
}

// nameStages tells the operator's view where each stage's queue is.
func (m *Mover) nameStages() {
	s := &m.stages
	queue := func(name string, of *stage, length func() int, capacity int) {
		of.name, of.queue = name, func() (int, int) { return length(), capacity }
	}
	queue("stage", &s.stage, func() int { return 0 }, stagers)
	queue("inflate", &s.inflate, func() int { return len(m.ready) }, cap(m.ready))
	queue("convert", &s.convert, func() int { return cap(m.batches) - len(m.batches) }, cap(m.batches))
	queue("merge", &s.merge, func() int { return 0 }, 1)
	queue("write", &s.write, func() (n int) {
		for _, w := range m.writers {
			n += len(w.jobs)
		}
		return n
	}, len(m.writers)*cap(m.writers[0].jobs))
	queue("ledger", &s.ledger, func() int { return len(m.ledger.jobs) }, cap(m.ledger.jobs))
	queue("cut", &s.cut, func() int { return int(m.committer.pending.Load()) }, 1)
}

// Run moves everything that an earlier run has not committed, and returns nil
// when the job is finished: migration_output.json is in the sink. A finished
// job is not touched. Closing stop drains to a cut, and Run returns ErrStopped.
// Cancelling ctx stops at once; what was not committed will be read again.
func (m *Mover) Run(ctx context.Context, stop <-chan struct{}) error {
	err := m.run(ctx, stop)
	m.live.end(err)
	return errors.Join(err, m.onCut())
}

func (m *Mover) run(ctx context.Context, stop <-chan struct{}) error {
	past, err := m.loadHistory()
	if err != nil || past.finished {
		return err
	}
	if err := m.acceptRepairs(past.state); err != nil {
		return err
	}
	files, err := m.loadOpenFiles()
	if err != nil {
		return err
	}
	if err := m.own(ctx, past, files); err != nil {
		return err
	}
	if err := m.resume(past.state, files); err != nil {
		return err
	}
	if past.state == nil || !past.state.AllRead {
		m.live.setPhase(metrics.PhaseMoving)
		if err := m.move(ctx, stop); err != nil {
			return err
		}
	}
	m.live.setPhase(metrics.PhaseFinishing)
	return m.finish(ctx)
}

// move runs the pipeline until everything is read and committed. It is the only
// place where goroutines start.
func (m *Mover) move(ctx context.Context, stop <-chan struct{}) error {
	if err := m.stager.checkSpool(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	m.cancelled = ctx.Err
	// A goroutine that waits on the stager's condition does not see the context.
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-m.allRead:
		}
		m.stager.stop()
		return nil
	})
	for range min(stagers, len(m.objects)) {
		group.Go(func() error { return m.stager.run(ctx) })
	}
	for range m.plan.workers {
		w, err := newWorker(m)
		if err != nil {
			return err
		}
		group.Go(func() error { return w.run(ctx) })
	}
	for _, w := range m.writers {
		group.Go(func() error { return w.run(ctx) })
	}
	for range sealers {
		group.Go(func() error { return m.runSealer(ctx) })
	}
	group.Go(func() error { return m.ledger.run(ctx) })
	group.Go(func() error { return m.runSegments(ctx) })
	group.Go(func() error { return m.committer.run(ctx) })
	group.Go(func() error {
		m.merger.begin()
		if err := m.merger.run(ctx, stop); err != nil {
			return err
		}
		m.closeQueues()
		return nil
	})
	return group.Wait()
}

// sealers is how many files get their final name at the same time.
const sealers = 16

// closeQueues ends the stages behind the merge, after their last piece of work.
func (m *Mover) closeQueues() {
	for _, w := range m.writers {
		close(w.jobs)
	}
	close(m.ledger.jobs)
	close(m.seals)
	close(m.segments)
	close(m.committer.cuts)
}

func (m *Mover) onCut() error {
	if m.options.OnCut == nil {
		return nil
	}
	return m.options.OnCut()
}
