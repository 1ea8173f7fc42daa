package output

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// cut is a snapshot on its way through the writers to the checkpoint.
type cut struct {
	Snapshot
	parts chan cutPart // one from each writer and from the ledger
}

// cutPart is what one writer, or the ledger, adds to a cut.
type cutPart struct {
	files   []fileMark
	seals   []*seal
	ledgers []ledgerMark // those that changed
}

// fileMark is a dirty file and the function that makes it durable.
type fileMark struct {
	key    string
	record FileRecord
	settle func(context.Context) (json.RawMessage, error)
}

// settlers is how many files are made durable at the same time.
const settlers = 32

// committer makes cuts durable, one after the other, beside the flow of data.
type committer struct {
	o       *Output
	cuts    chan *cut
	pending atomic.Int64 // cuts sent and not committed
	restAt  atomic.Int64 // Unix nanoseconds before which no cut is due
	idle    chan struct{}
}

// rested tells whether the last cut is committed and paid for.
func (c *committer) rested(now time.Time) bool {
	return c.pending.Load() == 0 && now.UnixNano() >= c.restAt.Load()
}

// drain waits until every cut that was sent is committed.
func (c *committer) drain(ctx context.Context) error {
	for c.pending.Load() > 0 {
		select {
		case <-c.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (c *committer) send(ctx context.Context, next *cut) error {
	c.pending.Add(1)
	return Send(ctx, c.cuts, next)
}

func (c *committer) run(ctx context.Context) error {
	for {
		select {
		case next, ok := <-c.cuts:
			if !ok {
				return nil
			}
			begin := time.Now()
			stop := c.o.Cuts.Start()
			if err := c.commit(ctx, next); err != nil {
				return err
			}
			stop()
			took := time.Since(begin)
			c.restAt.Store(time.Now().Add(time.Duration(c.o.options.CutRest) * took).UnixNano())
			c.pending.Add(-1)
			select {
			case c.idle <- struct{}{}:
			default:
			}
			if err := c.o.options.Watch.CutDone(took); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// commit gathers the parts of a cut, makes every byte that they cover durable,
// and then, and only then, records it (I1).
func (c *committer) commit(ctx context.Context, next *cut) error {
	var marks []fileMark
	var seals []*seal
	var ledgers []ledgerMark
	for range cap(next.parts) {
		select {
		case part := <-next.parts:
			marks, seals = append(marks, part.files...), append(seals, part.seals...)
			ledgers = append(ledgers, part.ledgers...)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if next.Settle != nil {
		if err := next.Settle(ctx); err != nil {
			return err
		}
	}
	if err := settle(ctx, marks); err != nil {
		return err
	}
	if err := syncRows(ctx, ledgers); err != nil {
		return err
	}
	for _, s := range seals {
		select {
		case <-s.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := c.o.sinks.Settle(ctx); err != nil {
		return err
	}
	changes, err := c.changes(next, marks, seals, ledgers)
	if err != nil {
		return err
	}
	if err := c.o.store.Commit(changes); err != nil {
		return err
	}
	return next.Committed()
}

// settle makes all marked files durable, many at a time, and fills in what the
// sink needs to resume them.
func settle(ctx context.Context, marks []fileMark) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(settlers)
	const run = 64
	for part := range slices.Chunk(marks, run) {
		group.Go(func() error {
			for i := range part {
				state, err := part[i].settle(ctx)
				if err != nil {
					return err
				}
				part[i].record.Sink = state
			}
			return nil
		})
	}
	return group.Wait()
}

func (c *committer) changes(next *cut, marks []fileMark, seals []*seal, ledgers []ledgerMark) (changes []Change, failed error) {
	put := func(bucket, key string, v any) {
		value, err := json.Marshal(v)
		failed = errors.Join(failed, err)
		changes = append(changes, Change{bucket, key, value})
	}
	for _, mark := range marks {
		put(c.o.filesBucket(), mark.key, mark.record)
	}
	for _, s := range seals {
		put(c.o.filesBucket(), s.key, s.record)
	}
	for _, l := range ledgers {
		put(c.o.options.Name, ledgerKey(l.tenant), l.state)
	}
	put(c.o.options.Name, stateKey, next.State)
	return changes, failed
}
