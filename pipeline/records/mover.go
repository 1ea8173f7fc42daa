package records

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// ErrStopped is what Run returns after a stop was asked for and everything that
// was merged is committed. The same job goes on from there.
var ErrStopped = output.ErrStopped

// Mover moves the records of one source into one sink. It is used for one Run.
type Mover struct {
	options    Options
	plan       memoryPlan
	source     pipeline.Source
	sinks      *output.Sinks
	store      output.Checkpoint
	openSink   func(tenant string) (pipeline.Sink, error)
	log        *slog.Logger
	objects    []pipeline.Object
	exportTime time.Time

	live    *live
	stages  stages
	catalog *catalog

	ready     chan *lane
	batches   chan *batch
	heavy     output.Token
	allRead   chan struct{} // closed when no batch comes any more
	stager    *stager
	merger    *merger
	out       *output.Output
	road      *road // nil in a job without binaries
	second    atomic.Pointer[second]
	cancelled func() error
}

// New prepares a job. It does no I/O. sinks opens the sink of a tenant; "" means
// the job's own folder, the only one unless the job moves all tenants. A
// combination of limits that cannot fit is a KindConfig error.
func New(options Options, source pipeline.Source, sinks func(tenant string) (pipeline.Sink, error), store output.Checkpoint, log *slog.Logger) (*Mover, error) {
	options.setDefaults()
	plan, err := options.plan()
	if err != nil {
		return nil, err
	}
	m := &Mover{
		options: options, plan: plan, source: source, openSink: sinks, sinks: output.NewSinks(sinks, options.Claim, store), store: store, log: log,
		objects: source.Objects(), exportTime: source.ExportTime(),
		live:      newLive(options.Convert.Tenant == convert.AllTenants),
		ready:     make(chan *lane, options.Lanes),
		batches:   make(chan *batch, plan.batches),
		heavy:     output.NewToken(),
		allRead:   make(chan struct{}),
		cancelled: func() error { return nil },
	}
	for range plan.batches {
		m.batches <- &batch{m: m, work: make([][]output.Piece, plan.workers)}
	}
	m.out = output.New(output.Options{
		Name: stateBucket, State: options.State, SegmentEntries: options.SegmentEntries,
		Writers: plan.workers, Buffers: plan.buffers, CutRest: options.CutRest,
		Heavy: m.heavy, Watch: watch{m},
	}, m.sinks, store)
	m.catalog = newCatalog(m.out.WriterOf)
	if options.Convert.BinaryField != "" {
		m.road = &road{m: m, jobs: make(chan roadJob, 2)}
	}
	m.nameStages()
	return m, nil
}

// allTenants tells whether each tenant has a folder of its own.
func (m *Mover) allTenants() bool { return m.options.Convert.Tenant == convert.AllTenants }

// nameStages tells the operator's view where each stage's queue is.
func (m *Mover) nameStages() {
	s := &m.stages
	s.stage.Name, s.stage.Queue = "stage", func() (int, int) { return 0, stagers }
	s.inflate.Name, s.inflate.Queue = "inflate", func() (int, int) { return len(m.ready), cap(m.ready) }
	s.convert.Name, s.convert.Queue = "convert", func() (int, int) { return cap(m.batches) - len(m.batches), cap(m.batches) }
	s.merge.Name, s.merge.Queue = "merge", func() (int, int) { return 0, 1 }
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
	if err != nil {
		return err
	}
	if past.finished {
		return m.removeLeft()
	}
	if err := m.acceptRepairs(past.state); err != nil {
		return err
	}
	files, err := m.out.Open()
	if err != nil {
		return err
	}
	if err := m.openSecond(past.state); err != nil {
		return err
	}
	if err := m.own(ctx, past, files); err != nil {
		return err
	}
	if err := m.resume(past.state, files); err != nil {
		return err
	}
	if err := m.resumeSecond(ctx); err != nil {
		return err
	}
	m.live.setPhase(metrics.PhaseMoving)
	if err := m.moveBoth(ctx, stop, past.state == nil || !past.state.AllRead); err != nil {
		return err
	}
	m.live.setPhase(metrics.PhaseFinishing)
	return unlessStopped(ctx, stop, m.finish)
}

// unlessStopped does what a stop ends at once: the next run does it again.
func unlessStopped(ctx context.Context, stop <-chan struct{}, do func(context.Context) error) error {
	done := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		select {
		case <-stop:
			return ErrStopped
		case <-done:
		case <-ctx.Done():
		}
		return nil
	})
	group.Go(func() error {
		defer close(done)
		return do(ctx)
	})
	return group.Wait()
}

// move runs the pipeline until everything is read and committed. All of its
// goroutines start here.
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
	m.out.Start(ctx, group)
	if m.road != nil {
		group.Go(func() error { return m.road.run(ctx) })
	}
	group.Go(func() error {
		m.merger.begin()
		if err := m.merger.run(ctx, stop); err != nil {
			return err
		}
		m.out.Close()
		if m.road != nil {
			close(m.road.jobs)
		}
		return nil
	})
	return group.Wait()
}

func (m *Mover) onCut() error {
	if m.options.OnCut == nil {
		return nil
	}
	return m.options.OnCut()
}

// watch tells the operator's view what the output does.
type watch struct{ m *Mover }

func (w watch) FileOpened()           { w.m.live.fileOpened() }
func (w watch) FileSealed()           { w.m.live.fileSealed() }
func (w watch) FileKnown(sealed bool) { w.m.live.fileKnown(sealed) }

func (w watch) CutDone(took time.Duration) error {
	w.m.live.cutDone(took)
	return w.m.onCut()
}
