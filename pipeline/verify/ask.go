package verify

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Inquiry is a verification that asks the target for one resource after the
// other, in the order of the ledger: the modes sample, full and history.
type Inquiry struct {
	Options
	Share Share
	// Lag is how late the target may show what it has. Before it has passed since
	// the beginning, an answer that lacks something is asked for again.
	Lag time.Duration
	// Skip tells of which types no resource is asked for; nil: of none.
	Skip func(resourceType []byte) bool

	// Report is told of each resource that is not OK, in the order of the ledger.
	Report func(*Finding) error
	// Commit makes durable what was reported, and p. After a kill, an inquiry goes
	// on from the p that was committed last, and reports what comes after it.
	Commit func(p *Progress) error

	// Tests make chunks smaller.
	chunk int
}

// Share is the part of the resources that is asked for: those with the smallest
// SHA-256(id). So a second run asks for the same ones, and a larger share holds
// the smaller. The zero value is all of them.
type Share struct {
	Number int64
	Part   float64 // if Number is 0: above 0 and below 1, and never fewer than leastShare resources
}

// leastShare is the least that a part of the resources is: 1 % of a small job is
// nothing.
const leastShare = 100

// has tells whether a resource is asked for of which so many stand before.
func (s Share) has(before int64, k key) bool {
	switch {
	case s.Number > 0:
		return before < s.Number
	case s.Part > 0 && s.Part < 1:
		return before < leastShare || k.high < uint64(math.Ldexp(s.Part, 64))
	}
	return true
}

// done returns how much of the share lies before a resource.
func (s Share) done(before int64, k key) float64 {
	if s.Number > 0 {
		return float64(before) / float64(s.Number)
	}
	whole := 1.0
	if s.Part > 0 {
		whole = s.Part
	}
	return min(1, math.Ldexp(float64(k.high), -64)/whole)
}

// Progress is how far an inquiry has come, the zero value being its beginning. It
// holds no id (I10). After an error it is of no use: what was committed counts.
type Progress struct {
	Passed int64   `json:"passed"` // resources of the ledger, in its order
	Part   float64 `json:"part"`   // of the share that is done, nearly; of a number that is larger than the ledger, less
	// Types are the resources that were asked for, by Class. What is no type of
	// FHIR is under metrics.Other.
	Types   map[string]*[classCount]int64 `json:"types"`
	Causes  map[string]int64              `json:"causes"`  // the same, by the names of causes
	Repeats int64                         `json:"repeats"` // versions of ours beyond the first, in histories
	// Uncommitted resources have only PENDING rows. They are not asked for.
	Uncommitted int64 `json:"uncommitted"`
	Skipped     int64 `json:"skipped"` // by Inquiry.Skip
	Done        bool  `json:"done"`
}

func (p *Progress) count(typ string, a *verdict) {
	if !metrics.KnownType(typ) {
		typ = metrics.Other // I10: it is a value of a resource
	}
	of := p.Types[typ]
	if of == nil {
		of = new([classCount]int64)
		if p.Types == nil {
			p.Types, p.Causes = make(map[string]*[classCount]int64), make(map[string]int64)
		}
		p.Types[typ] = of
	}
	of[a.class]++
	if a.cause != NoCause {
		p.Causes[a.cause.String()]++
	}
	p.Repeats += a.repeats
}

// Checked returns how many resources were asked for.
func (p *Progress) Checked() (n int64) {
	for _, of := range p.Types {
		for _, in := range of {
			n += in
		}
	}
	return n
}

// verdict is what became of a resource.
type verdict struct {
	class   Class
	cause   Cause
	reason  pipeline.Reason // why a line of the target could not be read
	repeats int64
	asked   time.Duration // after the beginning
}

// question asks for a resource and judges what it answers. Errors of the target keep
// their kind.
type question func(ctx context.Context, a *asker, s side) (verdict, error)

const (
	// chunkResources and chunkEntries bound what is asked for between two commits.
	chunkResources = 512
	chunkEntries   = 1 << 16
	// askWorkers is how many answers are awaited at a time, unless Options say it.
	askWorkers = 16
	// firstPause and longestPause lie between two questions for the same resource.
	firstPause   = time.Second
	longestPause = time.Minute
)

// inquirer is one run of an inquiry.
type inquirer struct {
	*Inquiry
	question question
	late     [classCount]bool // what an answer that comes too early can be
	askers   []*asker
	began    time.Time
	answered atomic.Int64

	progress *Progress
	passed   int64   // of the ledger
	part     float64 // of the share
	pending  int64   // uncommitted ones since the last commit
	skipped  int64
	chunk    []side    // since then
	verdicts []verdict // of the chunk
	entries  int
}

// run asks for all resources of the share, from p on.
func (q *Inquiry) run(ctx context.Context, book *ledger.Ledger, ask question, late []Class, p *Progress) error {
	if err := q.check(); err != nil {
		return err
	}
	if err := durable.MkdirAll(q.Dir); err != nil {
		return durable.Failure("create", "work directory of the verification", err)
	}
	i := &inquirer{Inquiry: q, question: ask, began: time.Now(), progress: p}
	for _, c := range late {
		i.late[c] = true
	}
	i.hire()
	before := int64(0)
	for r, err := range book.Resources(ctx, q.memory()/2) {
		if err != nil {
			return durable.Failure("verify", "resources of the ledger", err)
		}
		k := keyOf(r.ID)
		if !q.Share.has(before, k) {
			break
		}
		i.passed, i.part = i.passed+1, q.Share.done(before, k)
		skip := q.Skip != nil && q.Skip(r.Type)
		if r.Fate != ledger.Uncommitted && !skip {
			before++
		}
		switch {
		case i.passed <= p.Passed:
			continue
		case skip:
			i.skipped++
			continue
		case r.Fate == ledger.Uncommitted:
			i.pending++
			continue
		}
		if i.add(r); len(i.chunk) < cmp.Or(q.chunk, chunkResources) && i.entries < chunkEntries {
			continue
		}
		if err := i.settle(ctx, false); err != nil {
			return err
		}
	}
	return i.settle(ctx, true)
}

// hire makes as many askers as memory allows: they share half of it with the ledger.
func (i *inquirer) hire() {
	n := i.Workers
	if n == 0 {
		n = askWorkers
	}
	turn := make(chan struct{}, 1)
	for k := range max(1, min(n, i.memory()/2/workerMemory)) {
		i.askers = append(i.askers, newAsker(&i.Options, turn, k))
	}
}

// add adds a resource, which is valid until the next one, to the chunk.
func (i *inquirer) add(r *ledger.Resource) {
	own := ownSide(r)
	i.chunk = append(i.chunk, own)
	i.entries += len(own.Versions)
}

// ownSide returns a resource that stays valid.
func ownSide(r *ledger.Resource) side {
	own := *r
	own.ID = append([]byte(nil), r.ID...)
	own.Versions = append([]ledger.Entry(nil), r.Versions...)
	for k := range own.Versions {
		own.Versions[k].ID = own.ID
	}
	return newSide(&own)
}

// settle finds the verdicts of the chunk, and commits them.
func (i *inquirer) settle(ctx context.Context, last bool) error {
	i.verdicts = make([]verdict, len(i.chunk))
	todo := make([]int, len(i.chunk))
	for k := range todo {
		todo[k] = k
	}
	for pause := firstPause; len(todo) > 0; pause = min(2*pause, longestPause) {
		if err := i.askAll(ctx, todo); err != nil {
			return err
		}
		if todo = i.early(todo); len(todo) == 0 {
			break
		}
		if err := pipeline.Sleep(ctx, min(pause, max(0, i.Lag-time.Since(i.began)))); err != nil {
			return err
		}
	}
	for k := range i.chunk {
		if err := i.conclude(&i.chunk[k], &i.verdicts[k]); err != nil {
			return err
		}
	}
	p := i.progress
	p.Passed, p.Uncommitted, p.Done = i.passed, p.Uncommitted+i.pending, last
	p.Part = math.Round(i.part*1e4) / 1e4 // so that it tells no hash of an id
	p.Skipped += i.skipped
	i.chunk, i.entries, i.pending, i.skipped = i.chunk[:0], 0, 0, 0
	return i.Commit(p)
}

func (i *inquirer) conclude(s *side, a *verdict) error {
	i.progress.count(string(s.Type), a)
	if a.class.OK() {
		return nil
	}
	return i.Report(&Finding{Class: a.class, Cause: a.cause, Type: string(s.Type), Source: &s.last[len(s.last)-1], Reason: a.reason})
}

// early returns those whose answer may come from a target that lags behind.
func (i *inquirer) early(asked []int) (again []int) {
	for _, k := range asked {
		if a := &i.verdicts[k]; i.late[a.class] && a.asked < i.Lag {
			again = append(again, k)
		}
	}
	return again
}

// askAll asks for resources of the chunk, several at a time.
func (i *inquirer) askAll(ctx context.Context, todo []int) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for _, a := range i.askers[:min(len(i.askers), len(todo))] {
		group.Go(func() error {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(todo) {
					return nil
				}
				if err := i.ask(ctx, a, todo[n]); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// ask asks for one resource. That the target fails for this one, and answers
// others meanwhile, makes it [Unchecked]; else the failure is that of the inquiry.
func (i *inquirer) ask(ctx context.Context, a *asker, k int) error {
	before, asked := i.answered.Load(), time.Since(i.began)
	out, err := i.question(ctx, a, i.chunk[k])
	out.asked = asked
	switch {
	case err == nil:
		i.answered.Add(1)
	case ctx.Err() != nil:
		return ctx.Err()
	case a.local != nil:
		return a.local
	case refusesOne(err), pipeline.KindOf(err) == pipeline.KindRetryLater && i.answered.Load() > before:
		out.class, out.cause = Unchecked, NoAnswer
	default:
		return err
	}
	i.verdicts[k] = out
	return nil
}

// refusesOne tells whether an error is of one resource, whatever becomes of others.
func refusesOne(err error) bool {
	e, ok := errors.AsType[*pipeline.Error](err)
	return ok && (e.Kind == pipeline.KindFatal || e.Kind == pipeline.KindOther)
}
