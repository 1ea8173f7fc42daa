package deleting

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// Options of a Deleter.
type Options struct {
	Tenant  string             // "" in a job without tenants
	State   string             // directory for what was not deleted
	Folders []importing.Folder // of the tenant: all must be imported

	Batch    int // resources in one call of the target
	Parallel int // calls at the same time
	Memory   int // bytes for reading the ledger

	// Exclusive says that nobody else writes to the target: contents are not
	// compared, and whatever it has of a deleted resource is deleted.
	Exclusive bool
	// Marks are what the target adds to contents of its own accord.
	Marks verify.Marks

	Log *slog.Logger
	// Progress is told the counts whenever some of them are committed; it may be nil.
	Progress func(Counts)
	// Again begins a pass about all, once the last one is over: what was deleted may
	// be there again.
	Again bool
	// Patience is how long a resource is tried for which the target has no time; 0
	// is 15 minutes.
	Patience time.Duration
	// Lag is for how long after the start of a Run the target may not show what it
	// has taken; 0 is 5 minutes.
	Lag time.Duration
	// Pause is the first one between two tries; 0 is a second.
	Pause time.Duration
}

// Deleter deletes in one target what the ledger of one tenant says is deleted.
type Deleter struct {
	target Target
	store  Checkpoint
	book   *ledger.Ledger
	o      Options

	refusals  map[string]bool // folders of which the target has refused resources
	record    *Record
	digesters sync.Pool
	mu        sync.Mutex // guards record.Last while calls are under way
	began     time.Time  // Run
	told      time.Time  // when the log was told of progress
}

// New returns a deleter. It does nothing before Run.
func New(target Target, store Checkpoint, book *ledger.Ledger, o Options) *Deleter {
	if o.Progress == nil {
		o.Progress = func(Counts) {}
	}
	if o.Patience == 0 {
		o.Patience = 15 * time.Minute
	}
	if o.Lag == 0 {
		o.Lag = 5 * time.Minute
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	d := &Deleter{target: target, store: store, book: book, o: o, refusals: map[string]bool{}}
	d.digesters.New = func() any { return verify.NewDigester(&d.o.Marks) }
	return d
}

// Run deletes what is left to delete. Result tells what became of it: that some of
// it stays is no error. A run after one that came to its end tries again what that
// one has left. Errors are
//   - a pipeline.Error of KindFatal if not all folders are imported;
//   - those of the target, the ledger and the disk: the next Run goes on;
//   - the context's.
func (d *Deleter) Run(ctx context.Context) error {
	if err := d.imported(); err != nil {
		return err
	}
	if err := d.begin(); err != nil || d.record.Over {
		return err
	}
	d.o.Log.Info("deleting what is deleted in the source", "pass", d.record.Pass, "deleted", d.record.Deleted)
	d.began = time.Now()
	d.told = d.began
	if err := d.pass(ctx); err != nil {
		return err
	}
	d.record.Over = true
	if err := d.commit(); err != nil {
		return err
	}
	c := &d.record.Counts
	d.o.Log.Info("deletes applied", "deleted", c.Deleted, "gone", c.Gone, "left", c.Left(), "unsettled", c.Unsettled, "ambiguous", c.Ambiguous)
	return d.dropBefore()
}

// imported checks that every folder is (I11): a version that comes later would undo
// a delete.
func (d *Deleter) imported() error {
	known, err := importing.Records(d.store, d.o.Tenant)
	if err != nil {
		return err
	}
	for _, f := range d.o.Folders {
		if r := known[f.Name]; r == nil || !r.Done {
			return &pipeline.Error{
				Op: "delete in the target", Object: f.Name, Kind: pipeline.KindFatal, Err: errors.New("this folder is not imported yet"),
				Hint: "fhirhose import",
			}
		}
		d.refusals[f.Name] = known[f.Name].Failed > 0
	}
	return nil
}

// begin goes on with a pass, or begins another one if there is something to do.
func (d *Deleter) begin() (err error) {
	if d.record, err = Result(d.store, d.o.Tenant); err != nil {
		return err
	}
	switch r := d.record; {
	case r.Pass == 0, r.Over && d.o.Again:
		d.record = &Record{Pass: r.Pass + 1, All: true, Last: r.Last, Sent: r.Sent}
	case r.Done():
		return nil
	case r.Over: // what is done stays counted; what was left is judged anew
		done := Counts{Deleted: r.Deleted, Gone: r.Gone}
		d.record = &Record{Pass: r.Pass + 1, Counts: done, Last: r.Last, Sent: r.Sent, Tried: r.Kept}
	default:
		return d.cut()
	}
	if err := d.commit(); err != nil {
		return err
	}
	return d.cut()
}

// pass goes once through the ledger, round by round.
func (d *Deleter) pass(ctx context.Context) error {
	var round []*candidate
	open := 0 // of the round, undecided
	for c, err := range d.candidates(ctx) {
		if err != nil {
			return err
		}
		round = append(round, c)
		if c.outcome == undecided {
			open++
		}
		if open < d.o.Batch*d.o.Parallel && len(round) < mostRound {
			continue
		}
		if err := d.settle(ctx, round); err != nil {
			return err
		}
		round, open = round[:0], 0
	}
	if len(round) == 0 {
		return nil
	}
	return d.settle(ctx, round)
}

// mostRound bounds a round, most of which may be nothing to ask the target for.
const mostRound = 1 << 13

// settle brings a round to its end and commits it.
func (d *Deleter) settle(ctx context.Context, round []*candidate) error {
	if err := d.apply(ctx, round); err != nil {
		return err
	}
	kept, err := d.keep(round)
	if err != nil {
		return err
	}
	r := d.record
	r.Kept, r.Next = kept, round[len(round)-1].n+1
	r.Asked = slices.DeleteFunc(r.Asked, func(n int64) bool { return n < r.Next })
	for _, c := range round {
		*r.of(c.outcome)++
		if c.outcome == deleted {
			r.Sent++ // it may have been asked for long before
		}
	}
	if err := d.commit(); err != nil {
		return err
	}
	d.o.Progress(r.Counts)
	if time.Since(d.told) >= time.Minute {
		d.told = time.Now()
		d.o.Log.Info("deleting", "deleted", r.Deleted, "gone", r.Gone, "left", r.Left())
	}
	return nil
}

// of is where an outcome is counted.
func (c *Counts) of(o outcome) *int64 {
	switch o {
	case deleted:
		return &c.Deleted
	case gone:
		return &c.Gone
	case changed:
		return &c.Changed
	case unchecked:
		return &c.Unchecked
	case unsettled:
		return &c.Unsettled
	case ambiguous:
		return &c.Ambiguous
	}
	return &c.Refused
}
