package verify

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Counter tells how many resources of a type a target holds. A change may show
// some time later. A type that the target does not know is a KindFatal error.
type Counter interface {
	Count(ctx context.Context, resourceType string) (int64, error)
}

// CountOptions are those of one comparison of counts.
type CountOptions struct {
	Types  []string // that are counted though the ledger does not know them
	Memory int      // bytes; 0: 256 MiB
	// Refused is that of [Options].
	Refused func(*ledger.Entry) bool
	// Patience is how long a count that differs is asked for again; 0: 5 minutes.
	// Pause is the first one before that; 0: 5 seconds.
	Patience, Pause time.Duration
	// Progress is told how many of all types are settled; it may be nil.
	Progress func(settled, all int)
}

// Counted is what was counted of one type.
type Counted struct {
	Live int64 // resources that the target should hold
	// Uncertain ones may be in the target or not: nothing is known of the source's
	// last version, they were not deleted for their id is ambiguous, or nothing of them
	// was taken.
	Uncertain map[Cause]int64
	Target    int64 // resources that the target holds; 0 if it does not answer
	Answered  bool
}

// Missing tells how many resources the target holds too few, at least.
func (c *Counted) Missing() int64 {
	if !c.Answered {
		return 0
	}
	return max(0, c.Live-c.Target)
}

// Extra tells how many it holds too many, at least.
func (c *Counted) Extra() int64 { return max(0, c.Target-c.Live-c.uncertain()) }

func (c *Counted) uncertain() (n int64) {
	for _, of := range c.Uncertain {
		n += of
	}
	return n
}

func (c *Counted) agrees() bool { return c.Missing() == 0 && c.Extra() == 0 }

// Counts compares how many resources of each type the ledger says that the target
// holds with how many it counts. Counts that differ are asked for again, after
// growing pauses, until Patience ends.
func Counts(ctx context.Context, book *ledger.Ledger, target Counter, o CountOptions) (map[string]*Counted, error) {
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Minute
	}
	if o.Pause == 0 {
		o.Pause = 5 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	counted, err := countSource(ctx, book, &o)
	if err != nil {
		return nil, err
	}
	for _, name := range o.Types {
		if counted[name] == nil {
			counted[name] = new(Counted)
		}
	}
	names := slices.Sorted(maps.Keys(counted))
	began := time.Now()
	for pause := o.Pause; ; pause *= 2 {
		differ, err := countTarget(ctx, target, counted, names, func(open int) { o.Progress(len(counted)-open, len(counted)) })
		if err != nil {
			return nil, err
		}
		left := o.Patience - time.Since(began)
		if len(differ) == 0 || left <= 0 {
			return counted, nil
		}
		names = differ
		if err := pipeline.Sleep(ctx, min(pause, left)); err != nil {
			return nil, err
		}
	}
}

// countTarget asks for the counts of the types and returns those that differ. A
// type of which the target does not answer stays as it is.
func countTarget(ctx context.Context, target Counter, counted map[string]*Counted, names []string, progress func(open int)) (differ []string, err error) {
	for i, name := range names {
		c := counted[name]
		n, err := target.Count(ctx, name)
		switch {
		case err == nil:
			c.Target, c.Answered = n, true
		case pipeline.KindOf(err) == pipeline.KindFatal:
			c.Target, c.Answered = 0, false
			continue
		default:
			return nil, err
		}
		if !c.agrees() {
			differ = append(differ, name)
		}
		progress(len(names) - i - 1 + len(differ))
	}
	return differ, nil
}

// countSource counts what the target should hold, type by type.
func countSource(ctx context.Context, book *ledger.Ledger, o *CountOptions) (map[string]*Counted, error) {
	counted := make(map[string]*Counted)
	for r, err := range book.Resources(ctx, o.Memory) {
		if err != nil {
			return nil, err
		}
		c := counted[string(r.Type)]
		if c == nil {
			c = &Counted{Uncertain: make(map[Cause]int64)}
			counted[string(r.Type)] = c
		}
		switch {
		case (r.Fate == ledger.Live || r.Fate == ledger.Unsettled) && newSide(r).leftOut(o.Refused):
			c.Uncertain[LeftOut]++
		case r.Fate == ledger.Live:
			c.Live++
		case r.Fate == ledger.Deleted && r.Ambiguous:
			c.Uncertain[AmbiguousID]++
		case r.Fate == ledger.Unsettled && !newSide(r).filteredOut():
			c.Uncertain[Unsettled]++
		}
	}
	return counted, nil
}
