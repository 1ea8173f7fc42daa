package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Finding is a resource, or a line, that is not OK.
type Finding struct {
	Class Class
	Cause Cause  // of Unchecked, else NoCause
	Type  string // "" of a line of which it is not known

	// Source is the ledger's last committed entry, and so the id; nil if the
	// ledger does not know the resource. Valid during the call.
	Source *ledger.Entry

	// InExport tells whether the export has a line of it: line Line, from 1, of
	// the object with this number. Reason says why it could not be read.
	InExport bool
	Object   int64
	Line     int64
	Reason   pipeline.Reason
}

// Tally is the answer for one type.
type Tally struct {
	Classes [classCount]int64 // resources, by Class

	// Content and labels of the live resources in the ledger, and of what was
	// exported, as sums: the same set if they are equal.
	Source, Target             ledger.SetSum
	SourceLabels, TargetLabels ledger.SetSum
}

// Result is the answer of a verification.
type Result struct {
	Types map[string]*Tally
	// Anonymous lines could not be read, and it is not known whose they are. They
	// belong to no type; each is a Finding.
	Anonymous int64
	// Repeated lines are those beyond the first of a resource, where lines were
	// compared one by one.
	Repeated int64
	// Uncommitted resources have only PENDING rows: the source never showed them.
	Uncommitted int64
	// Objects and Bytes are those of the export.
	Objects, Bytes int64
}

// Compare compares what Digest read with a ledger. It gives every Finding to
// report, in an order that depends on ledger and export alone; an error of
// report ends it. After a kill it is called again, and reports from the start.
func Compare(ctx context.Context, book *ledger.Ledger, o Options, report func(*Finding) error) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	total, err := readComplete(&o)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("compare: the export is not digested")
	}
	if err != nil {
		return nil, durable.Failure("read", completeName, err)
	}
	c := &comparison{options: &o, report: report, number: make(map[string]uint16)}
	c.result = Result{Types: make(map[string]*Tally), Objects: total.Objects, Bytes: total.Bytes}
	if err := c.read(ctx, book); err != nil {
		return nil, durable.Failure("compare", "export with ledger", err)
	}
	if err := c.details(ctx, book); err != nil {
		return nil, durable.Failure("compare", "export with ledger", err)
	}
	return &c.result, nil
}

// comparison is the state of one Compare.
type comparison struct {
	options *Options
	report  func(*Finding) error
	judge   judge
	result  Result

	runs   []*run
	number map[string]uint16 // of a type
	types  []string
	agreed []*[leads]bool // by type: sums have settled the range
	wanted [leads]bool    // ranges in which a type is not settled
	lines  [leads]int64   // that say whose they are, by the sums
}

// typeNumber returns the number of a type that either side uses.
func (c *comparison) typeNumber(name string) (uint16, error) {
	if n, ok := c.number[name]; ok {
		return n, nil
	}
	if len(c.types) == maxTypes {
		return 0, errTooManyTypes
	}
	n := uint16(len(c.types))
	c.number[name] = n
	c.types, c.agreed = append(c.types, name), append(c.agreed, new([leads]bool))
	return n, nil
}

// read gets the sums of both sides and settles what they settle.
func (c *comparison) read(ctx context.Context, book *ledger.Ledger) error {
	runs, err := openRuns(c.options.Dir, c.options.Marks.fingerprint())
	if err != nil {
		return err
	}
	if c.runs, err = compact(ctx, c.options, runs); err != nil {
		return err
	}
	target, err := c.readTarget()
	if err != nil {
		return err
	}
	if c.result.Anonymous, err = c.countAnonymous(); err != nil {
		return err
	}
	c.judge = judge{imported: c.options.imported(), anonymous: c.result.Anonymous > 0, refused: c.options.Refused}
	source, err := readSource(ctx, book, c.options.memory()/2)
	if err != nil {
		return err
	}
	c.result.Uncommitted = source.uncommitted
	return c.settle(source, target)
}

// readTarget adds up the cells of all runs, and makes sure that no run is
// missing: together they cover the export.
func (c *comparison) readTarget() (map[string]*cells, error) {
	target := make(map[string]*cells)
	bytes := int64(0)
	err := eachFooter(c.runs, func(f *footer) error {
		for _, e := range f.Extents {
			bytes += e.To - e.From
		}
		for _, typ := range f.Types {
			if target[typ] == nil && len(target) < maxTypes {
				target[typ] = new(cells)
			}
			if target[typ] == nil {
				return errTooManyTypes
			}
		}
		return f.eachCell(func(typ string, lead int, sums *cell) { target[typ][lead].merge(sums) })
	})
	if err == nil && bytes != c.result.Bytes {
		err = damagedRun(runPrefix+"*", fmt.Sprintf("runs cover %d bytes of an export of %d", bytes, c.result.Bytes))
	}
	return target, err
}

// countAnonymous counts the lines without identity. Their keys are zero, so they
// stand first in each run.
func (c *comparison) countAnonymous() (n int64, err error) {
	for _, r := range c.runs {
		first, err := r.seek(1)
		if err != nil {
			return 0, err
		}
		n += first
	}
	return n, nil
}

// settle compares sums.
func (c *comparison) settle(source *source, target map[string]*cells) error {
	c.wanted[0] = c.result.Anonymous > 0
	for name := range source.types {
		if _, err := c.typeNumber(name); err != nil {
			return err
		}
	}
	for name := range target {
		if _, err := c.typeNumber(name); err != nil {
			return err
		}
	}
	for number, name := range c.types {
		ours, theirs := source.types[name], target[name]
		if ours == nil {
			ours = new([leads]expected)
		}
		if theirs == nil {
			theirs = new(cells)
		}
		c.settleType(number, ours, theirs)
	}
	return nil
}

func (c *comparison) settleType(number int, ours *[leads]expected, theirs *cells) {
	tally := new(Tally)
	c.result.Types[c.types[number]] = tally
	for lead := range ours {
		e, t := &ours[lead], &theirs[lead]
		tally.Source.Merge(e.content)
		tally.SourceLabels.Merge(e.label)
		tally.Target.Merge(t.content)
		tally.TargetLabels.Merge(t.label)
		c.lines[lead] += int64(t.content.Count)
		if e.inconclusive || !e.same(t) || e.deleted > 0 && c.judge.anonymous {
			c.wanted[lead] = true
			continue
		}
		c.agreed[number][lead] = true
		spelled := e.forms.differ(t.forms)
		tally.Classes[Equal] += int64(e.content.Count - spelled)
		tally.Classes[EqualNumbers] += int64(spelled)
		tally.Classes[DeletedGone] += int64(e.deleted)
	}
}

// details judges, one by one, the resources of ranges that are not settled.
func (c *comparison) details(ctx context.Context, book *ledger.Ledger) error {
	if c.wanted == ([leads]bool{}) {
		return nil
	}
	m, err := newMerger(ctx, c.runs, c.wanted, c.options.memory()/4, c.typeNumber)
	if err != nil {
		return err
	}
	g := &group{merger: m, comparison: c}
	if err := g.begin(); err != nil {
		return err
	}
	for r, err := range book.Resources(ctx, c.options.memory()/2) {
		if err != nil {
			return err
		}
		if r.Fate == ledger.Uncommitted {
			continue
		}
		k := keyOf(r.ID)
		number := c.number[string(r.Type)]
		if c.agreed[number][k.lead()] {
			continue
		}
		if err := g.goTo(k.high); err != nil {
			return err
		}
		if err := c.decide(newSide(r), g.find(k, number)); err != nil {
			return err
		}
	}
	return g.end()
}

// decide classes a resource that the ledger knows.
func (c *comparison) decide(s side, f *found) error {
	tally := c.result.Types[string(s.Type)]
	finding := Finding{Source: &s.last[len(s.last)-1]}
	if f == nil {
		finding.Class, finding.Cause = c.judge.absent(s)
	} else {
		f.judged = true
		c.result.Repeated += max(0, f.lines-1)
		finding.Class, finding.Cause = c.judge.present(s, f)
		finding.place(&f.first)
	}
	return c.count(tally, &finding, string(s.Type))
}

func (f *Finding) place(t *tuple) {
	f.InExport, f.Object, f.Line = true, int64(t.object), int64(t.line)+1
	f.Reason = pipeline.Reason(t.reason)
}

// count counts a finding, and reports it if it is one.
func (c *comparison) count(tally *Tally, f *Finding, typ string) error {
	if tally != nil {
		tally.Classes[f.Class]++
	}
	if f.Class.OK() || c.report == nil {
		return nil
	}
	f.Type = typ
	return c.report(f)
}
