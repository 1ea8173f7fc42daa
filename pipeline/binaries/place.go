package binaries

import (
	"context"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// placer takes rows in their order, gives each line its place, counts, and takes
// cuts. It alone makes quarantine lines and the chunks of large contents.
type placer struct {
	p        *Pipeline
	sharder  *shard.Sharder
	slots    *slots
	typ      []byte          // of every ledger row
	admitted map[string]bool // tenants
	named    namedFile
	stop     <-chan struct{}

	position, placed int64       // behind the row that was placed last
	batch            *batch      // not sent yet; nil if empty
	stream           *stream     // the long line in the middle of which a cut would be
	resume           *largeState // the one that an earlier process has begun
	spooled          []staged    // contents placed since the last cut

	output  int64 // bytes since the last cut
	dirty   bool  // anything placed since the last cut
	lastCut time.Time
	tick    *time.Ticker
}

// run places all rows, until a stop is asked for or the job fails.
func (g *placer) run(ctx context.Context) error {
	g.tick = time.NewTicker(g.p.options.CutEvery)
	defer g.tick.Stop()
	for {
		it, ok, err := g.next(ctx)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := g.place(ctx, it); err != nil {
			return err
		}
		if err := g.cutIfDue(ctx); err != nil {
			return err
		}
	}
	if err := g.flush(ctx); err != nil {
		return err
	}
	g.sharder.CloseAll()
	if err := g.p.out.Send(ctx, nil, g.sharder.TakeClosed()); err != nil {
		return err
	}
	if err := g.cut(ctx, true); err != nil {
		return err
	}
	return g.p.out.Drain(ctx)
}

// next returns the next row, once its content is there; ok is false behind the
// last one.
func (g *placer) next(ctx context.Context) (it *item, ok bool, err error) {
	it, ok, err = wait(ctx, g, g.p.placing)
	if err != nil || !ok {
		return nil, false, err
	}
	g.p.live.wait(true)
	_, _, err = wait(ctx, g, it.ready)
	g.p.live.wait(false)
	return it, true, err
}

// wait receives from a channel. If there is nothing, what is gathered is sent
// first: what waits may need the memory that it holds. A stop is obeyed here,
// between two rows.
func wait[T any](ctx context.Context, g *placer, from <-chan T) (v T, ok bool, err error) {
	select {
	case <-g.stop:
		return v, false, g.halt(ctx)
	default:
	}
	select {
	case v, ok = <-from:
		return v, ok, nil
	default:
	}
	if err := g.flush(ctx); err != nil {
		return v, false, err
	}
	for {
		select {
		case v, ok = <-from:
			return v, ok, nil
		case <-g.tick.C: // however long this takes: what is placed gets committed
			if err := g.cutIfDue(ctx); err != nil {
				return v, false, err
			}
		case <-g.stop:
			return v, false, g.halt(ctx)
		case <-ctx.Done():
			return v, false, ctx.Err()
		}
	}
}

// admit makes the folder of a new tenant this run's before anything is written
// there.
func (g *placer) admit(ctx context.Context, it *item) error {
	if it.stub.Reason != pipeline.NoReason || g.admitted[string(it.stub.Tenant)] {
		return nil
	}
	tenant := string(it.stub.Tenant)
	g.admitted[tenant] = true
	return g.p.sinks.Admit(ctx, []string{tenant})
}

// place decides where a row goes.
func (g *placer) place(ctx context.Context, it *item) error {
	g.dirty = true
	if err := g.admit(ctx, it); err != nil {
		return err
	}
	if it.fill && it.large {
		return g.placeLong(ctx, it)
	}
	b, err := g.open(ctx)
	if err != nil {
		return err
	}
	switch {
	case it.stub.Reason != pipeline.NoReason: // it only names
	case it.reason != pipeline.NoReason:
		g.quarantine(b, it)
	default:
		g.write(b, it)
	}
	if err := g.done(b, it); err != nil {
		return err
	}
	if b.bytes >= batchBytes || len(b.items) == cap(b.items) {
		return g.flush(ctx)
	}
	return nil
}

// write places a whole line.
func (g *placer) write(b *batch, it *item) {
	line := it.line
	if !it.fill {
		line, it.digest = it.stub.Line, it.stub.Content
	}
	s := g.slots.written(&it.stub)
	at := g.sharder.AssignLine(s.Slot, int64(len(line)))
	b.piece(s, output.Piece{File: at.File, Lines: 1, Longest: int64(len(line)), Data: line, First: at.New})
	g.enter(b, it, output.Place{Folder: at.File.Folder, File: at.File.Number, Line: at.FirstLine})
	g.p.live.written(it, int64(len(line)))
}

// enter adds the row's ledger row.
func (g *placer) enter(b *batch, it *item, at output.Place) {
	s := &it.stub
	b.rows = ledger.AppendRow(b.rows, &ledger.Entry{
		Type: g.typ, ID: s.ID, Version: s.Version, LastUpdated: s.LastUpdated,
		Status: s.Status, Reason: it.reason, Content: it.digest, Label: s.Label, Form: s.Form,
		Object: uint32(s.Object), Record: s.Record,
	})
	b.places = append(b.places, place{at, it.reason == pipeline.NoReason, string(s.Tenant)})
}

// done ends the row: what comes next begins behind it.
func (g *placer) done(b *batch, it *item) error {
	b.items = append(b.items, it)
	g.position, g.placed = it.behind, it.row+1
	if it.spool > 0 {
		g.spooled = append(g.spooled, staged{it.row, it.spool})
	}
	g.p.live.placed()
	return g.named.add(it.named)
}

// open returns the batch that takes lines.
func (g *placer) open(ctx context.Context) (*batch, error) {
	if g.batch != nil {
		return g.batch, nil
	}
	select {
	case g.batch = <-g.p.batches:
		return g.batch, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// flush hands over what is gathered.
func (g *placer) flush(ctx context.Context) error {
	b := g.batch
	if b == nil {
		return nil
	}
	g.batch = nil
	g.output += b.bytes
	b.writers.Store(int32(g.p.out.Writers()))
	b.readers.Store(int32(g.p.out.Writers()) + 1)
	return g.p.out.Send(ctx, b, g.sharder.TakeClosed())
}
