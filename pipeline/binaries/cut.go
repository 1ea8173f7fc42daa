package binaries

import (
	"context"
	"encoding/json"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// state is what a cut stores once: all of the placer that is not a file.
type state struct {
	Position int64           `json:"position"` // in the list of stubs
	Placed   int64           `json:"placed"`   // rows
	Named    int64           `json:"named"`    // bytes of the list of named contents
	Folders  []shard.Folder  `json:"folders"`
	Totals   json.RawMessage `json:"totals"`
	Large    *largeState     `json:"large,omitempty"` // the row behind Position is written up to there
	AllRead  bool            `json:"all_read"`
}

// cutIfDue takes a cut if enough has happened and the last one is done and paid
// for.
func (g *placer) cutIfDue(ctx context.Context) error {
	if !g.dirty {
		return nil
	}
	now, o := time.Now(), &g.p.options
	due := g.output >= o.CutBytes || now.Sub(g.lastCut) >= o.CutEvery
	if !due || !g.p.out.Rested(now) {
		return nil
	}
	return g.cut(ctx, false)
}

// cut takes a snapshot and sends it behind the data. last says that nothing
// comes after it.
func (g *placer) cut(ctx context.Context, last bool) error {
	if err := g.flush(ctx); err != nil {
		return err
	}
	if err := g.p.out.Drain(ctx); err != nil {
		return err
	}
	at, err := g.snapshot(last)
	if err != nil {
		return err
	}
	g.p.live.foldersAre(g.sharder.Count())
	spooled := g.spooled
	g.spooled, g.output, g.dirty, g.lastCut = nil, 0, false, time.Now()
	return g.p.out.Cut(ctx, output.Snapshot{
		State: at, Last: last,
		Settle: func(context.Context) error {
			if at.Named == 0 {
				return nil
			}
			return g.named.sync()
		},
		Committed: func() error {
			if err := g.p.spool.discard(spooled); err != nil {
				return err
			}
			return g.p.feed.Discard(at.Position)
		},
	})
}

func (g *placer) snapshot(last bool) (at *state, err error) {
	if err := g.named.flush(); err != nil {
		return nil, err
	}
	at = &state{
		Position: g.position, Placed: g.placed, Named: g.named.end,
		Folders: g.sharder.Snapshot(), AllRead: last,
	}
	if g.stream != nil {
		at.Large = g.stream.snapshot()
	}
	at.Totals, err = g.p.live.snapshot()
	return at, err
}

// halt cuts what is placed: the job goes on from there.
func (g *placer) halt(ctx context.Context) error {
	if g.dirty {
		if err := g.cut(ctx, false); err != nil {
			return err
		}
	}
	if err := g.p.out.Drain(ctx); err != nil {
		return err
	}
	return output.ErrStopped
}
