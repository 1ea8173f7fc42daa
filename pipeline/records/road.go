package records

import (
	"context"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// road is the stage that hands Binary rows over to the binary pipeline: it
// appends their stubs, in merge order, to a log in `state`. A cut commits the
// log; the other pipeline never sees more, and never holds this one up.
type road struct {
	m    *Mover
	jobs chan roadJob
	log  *stub.Log
}

// roadJob is one message to the road: a batch, or a cut that stands behind
// everything sent before.
type roadJob struct {
	batch *batch
	cut   chan<- milestone
}

// milestone is how far the log had come at a cut, and what makes it durable.
type milestone struct {
	end     int64
	durably func() error
}

func (r *road) run(ctx context.Context) error {
	for {
		select {
		case j, ok := <-r.jobs:
			if !ok {
				return nil
			}
			if err := r.do(j); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *road) do(j roadJob) error {
	if j.batch != nil {
		err := r.log.Append(j.batch.stubs)
		j.batch.Release()
		return err
	}
	end, durably, err := r.log.Sync()
	if err != nil {
		return err // which ends the job, and with it who waits for the milestone
	}
	j.cut <- milestone{end, durably} // has a place
	return nil
}

// cut lets a cut wait for the log's bytes, and tells the follower of them once
// they are committed.
func (r *road) cut(ctx context.Context, s *output.Snapshot, state *jobState) error {
	reached := make(chan milestone, 1)
	if err := output.Send(ctx, r.jobs, roadJob{cut: reached}); err != nil {
		return err
	}
	s.Settle = func(ctx context.Context) error {
		select {
		case at := <-reached:
			state.Stubs = at.end
			return at.durably()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	committed := s.Committed
	s.Committed = func() error {
		r.log.Commit(state.Stubs, state.AllRead)
		return committed()
	}
	return nil
}

// open brings the log to the last cut.
func (r *road) open(state *jobState) (err error) {
	var committed int64
	var complete bool
	if state != nil {
		committed, complete = state.Stubs, state.AllRead
	}
	r.log, err = stub.OpenLog(filepath.Join(r.m.options.State, "stubs"), committed, complete)
	return err
}

// maxBinaryRow is the longest row of type Binary that goes down the road, twice
// what an item of DynamoDB can be; a longer one is pipeline.RowTooLarge. It bounds
// the memory of a batch (I7).
const maxBinaryRow = 1 << 20

// isBinary tells whether the record's content is the other pipeline's affair.
func (w *worker) isBinary(r *convert.Record) bool {
	return w.m.road != nil && string(r.Type) == "Binary"
}

// stub appends the stub of a row of type Binary. text is empty if the row is not
// to be written: then the stub only names the row's object.
func (w *worker) stub(b *batch, number int64, text []byte) {
	r := &w.record
	b.stubs = stub.Append(b.stubs, &stub.Stub{
		Object: b.object, Record: number,
		Tenant: r.Tenant, ID: r.ID, Version: r.Version, LastUpdated: r.LastUpdated,
		Status: r.Status, Reason: r.Reason, Raw: text,
	})
}

// handDown gives a row that was converted to w.out[start:] to the binary
// pipeline, which counts it and enters it in the ledger. It tells whether it did.
func (w *worker) handDown(b *batch, t *knownTenant, number int64, text []byte, start int) bool {
	r := &w.record
	if r.Reason != pipeline.NoReason || !w.isBinary(r) {
		return false
	}
	w.out = w.out[:start] // who adds the content converts the row again
	if len(text) > maxBinaryRow {
		r.Reason = pipeline.RowTooLarge
		return false
	}
	w.stub(b, number, text)
	w.handed(b, w.slot(t, r.Type, r.Version).totals, int64(len(text))+1)
	w.note(&b.tenants[t.index].notes, r)
	return true
}

// handed counts one record that was handed down.
func (w *worker) handed(b *batch, known *knownTotal, read int64) {
	w.written(b, known, read, 0)
	b.counts[known.count].handed++
}
