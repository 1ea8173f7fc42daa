package records

import (
	"context"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// merger is the one place where order exists. It takes one batch from each lane
// in turn, gives every line its place, counts, and takes cuts. It never parses,
// copies or writes, so that one core of it feeds many.
type merger struct {
	m       *Mover
	lanes   []*lane
	turn    int // lane to take a batch from next
	next    int // object to assign next
	sharder *shard.Sharder
	pieces  []shard.Piece
	done    []int // objects finished since the last cut
	output  int64 // bytes since the last cut
	lastCut time.Time
	dirty   bool // anything merged since the last cut
	tick    *time.Ticker
}

// run merges until everything is read, a stop is asked for, or the job fails.
func (g *merger) run(ctx context.Context, stop <-chan struct{}) error {
	g.tick = time.NewTicker(g.m.options.CutEvery)
	defer g.tick.Stop()
	for g.busy() {
		if l := g.lanes[g.turn]; l.at.Object >= 0 {
			b, err := g.take(ctx, l, stop)
			if err != nil {
				return err
			}
			if err := g.merge(ctx, l, b); err != nil {
				return err
			}
		}
		g.turn = (g.turn + 1) % len(g.lanes)
		if err := g.cutIfDue(ctx); err != nil {
			return err
		}
	}
	if g.m.road == nil {
		g.m.live.setPhase(metrics.PhaseFinishing)
	}
	g.sharder.CloseAll()
	if err := g.send(ctx, nil); err != nil {
		return err
	}
	if err := g.cut(ctx, true); err != nil {
		return err
	}
	close(g.m.allRead)
	return g.m.out.Drain(ctx)
}

// busy tells whether any lane has an object.
func (g *merger) busy() bool {
	return slices.ContainsFunc(g.lanes, func(l *lane) bool { return l.at.Object >= 0 })
}

// take waits for the lane's next batch. A stop is obeyed here, between two
// batches: what is merged is cut, and the job ends.
func (g *merger) take(ctx context.Context, l *lane, stop <-chan struct{}) (*batch, error) {
	slot := l.slots[l.merged%len(l.slots)]
	for {
		var b *batch
		select {
		case <-stop:
			return nil, g.stop(ctx)
		default:
		}
		g.m.live.waitFor(l.at.Object)
		select {
		case b = <-slot:
		case <-g.tick.C: // however long this takes: what is merged gets committed
			if err := g.cutIfDue(ctx); err != nil {
				return nil, err
			}
			continue
		case <-stop:
			return nil, g.stop(ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		g.m.live.waitFor(-1)
		if b != nil {
			l.merged++
			return b, b.err
		}
		// The lane waits for leave to use a big buffer: one at a time (I7).
		if err := g.m.heavy.Take(ctx); err != nil {
			return nil, err
		}
		l.big = true
		g.m.requeue(l)
	}
}

func (g *merger) stop(ctx context.Context) error {
	if err := g.cut(ctx, false); err != nil {
		return err
	}
	if err := g.m.out.Drain(ctx); err != nil {
		return err
	}
	return ErrStopped
}

// merge places one batch and hands it to the writers and the ledger.
func (g *merger) merge(ctx context.Context, l *lane, b *batch) error {
	l.at.Position, g.dirty = b.end, true
	last := b.last // b belongs to its readers once it is sent
	if err := g.admit(ctx, b); err != nil {
		return err
	}
	stop := g.m.stages.merge.Start()
	for i := range b.extents {
		g.place(b, &b.extents[i])
	}
	g.m.live.add(b)
	for i := range b.counts {
		g.output += b.counts[i].written
	}
	stop()
	if l.consumed() {
		g.m.requeue(l)
	}
	if err := g.send(ctx, b); err != nil {
		return err
	}
	if last {
		return g.endObject(l)
	}
	return nil
}

// admit makes the folders of new tenants this run's before anything is written
// there. The merge waits: nothing else knows which tenants come.
func (g *merger) admit(ctx context.Context, b *batch) error {
	var fresh []string
	for _, t := range b.tenants {
		if !t.admitted {
			fresh = append(fresh, t.name)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := g.m.sinks.Admit(ctx, fresh); err != nil {
		return err
	}
	for _, t := range b.tenants {
		t.admitted = true
	}
	return nil
}

// place shards one extent and sorts its pieces by writer.
func (g *merger) place(b *batch, e *extent) {
	g.pieces = g.sharder.Assign(g.pieces[:0], e.slot.Slot, e.lengths, int64(len(e.data)))
	e.spots = len(b.spots)
	data, lengths := e.data, e.lengths
	for _, p := range g.pieces {
		longest := e.longest
		if len(g.pieces) > 1 { // near a cap, where lines are looked at anyway
			longest = slices.Max(lengths[:p.Lines])
			lengths = lengths[p.Lines:]
		}
		b.work[e.slot.writer] = append(b.work[e.slot.writer], output.Piece{
			File: p.File, Lines: p.Lines, Longest: int64(longest), Data: data[:p.Bytes], First: p.New,
		})
		b.spots = append(b.spots, spot{output.Place{Folder: p.File.Folder, File: p.File.Number, Line: p.FirstLine}, p.Lines})
		data = data[p.Bytes:]
	}
}

// send hands a batch, and the files that closed with it, to their readers.
func (g *merger) send(ctx context.Context, b *batch) error {
	if b == nil {
		return g.m.out.Send(ctx, nil, g.sharder.TakeClosed())
	}
	readers := int32(g.m.out.Writers()) + 1
	if g.m.road != nil {
		readers++
	}
	b.writers.Store(int32(g.m.out.Writers()))
	b.readers.Store(readers)
	if err := g.m.out.Send(ctx, b, g.sharder.TakeClosed()); err != nil || g.m.road == nil {
		return err
	}
	return output.Send(ctx, g.m.road.jobs, roadJob{batch: b})
}

// endObject checks the object's count (I9) and gives the lane the next object.
func (g *merger) endObject(l *lane) error {
	object := g.m.objects[l.at.Object]
	counted := l.records()
	if l.at.Records != counted {
		return miscounted(object, l.at.Records, counted)
	}
	g.done = append(g.done, l.at.Object)
	g.m.live.objectDone(object, counted)
	g.assign(l)
	return nil
}

// assign gives the lane the next object of the list. That happens in merge
// order and nowhere else, so it depends on the input alone.
func (g *merger) assign(l *lane) {
	if g.next >= len(g.m.objects) {
		l.at = position{Object: -1}
		return
	}
	l.at = position{Object: g.next}
	g.next++
	g.m.stager.assign(l, l.at)
}

// cutIfDue takes a cut if enough has happened and the last one is done and paid
// for.
func (g *merger) cutIfDue(ctx context.Context) error {
	if !g.dirty {
		return nil
	}
	now := time.Now()
	due := g.output >= g.m.options.CutBytes || now.Sub(g.lastCut) >= g.m.options.CutEvery
	if !due || !g.m.out.Rested(now) {
		return nil
	}
	return g.cut(ctx, false)
}

// cut takes a snapshot and sends it behind the data. last says that nothing
// comes after it.
func (g *merger) cut(ctx context.Context, last bool) error {
	if err := g.m.out.Drain(ctx); err != nil {
		return err
	}
	state := jobState{
		Next: g.next, Turn: g.turn, Lanes: make([]position, len(g.lanes)),
		Folders: g.sharder.Snapshot(), AllRead: last,
	}
	for i, l := range g.lanes {
		state.Lanes[i] = l.at
	}
	var err error
	if state.Totals, err = g.m.live.snapshot(); err != nil {
		return err
	}
	g.m.live.foldersAre(g.sharder.Count())
	done := g.done
	g.done, g.output, g.dirty, g.lastCut = nil, 0, false, time.Now()
	snapshot := output.Snapshot{
		State: &state, Last: last, Committed: func() error { return g.m.stager.discard(done) },
	}
	if g.m.road != nil {
		if err := g.m.road.cut(ctx, &snapshot, &state); err != nil {
			return err
		}
	}
	return g.m.out.Cut(ctx, snapshot)
}
