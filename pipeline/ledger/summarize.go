package ledger

import (
	"bytes"
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Tally counts entries and resources. A resource is a type and an id with at
// least one entry of the job's tenant.
type Tally struct {
	Entries     int64 // all
	Pending     int64 // of them with status PENDING
	OtherTenant int64 // of them filtered as another tenant's; they count for nothing below

	Live        int64 // resources by fate
	Deleted     int64
	Unsettled   int64
	Uncommitted int64

	Duplicates int64 // entries beyond the first of the same type, id and version
	Holes      int64 // missing numbers below highest committed versions

	Set SetSum // over the last versions of the live resources; Set.Count == Live
}

// Resources returns how many resources have a committed version.
func (t *Tally) Resources() int64 { return t.Live + t.Deleted + t.Unsettled }

func (t *Tally) merge(s *Tally) {
	t.Entries += s.Entries
	t.Pending += s.Pending
	t.OtherTenant += s.OtherTenant
	t.Live += s.Live
	t.Deleted += s.Deleted
	t.Unsettled += s.Unsettled
	t.Uncommitted += s.Uncommitted
	t.Duplicates += s.Duplicates
	t.Holes += s.Holes
	t.Set.Merge(s.Set)
}

// Totals is the answer of Summarize.
type Totals struct {
	Tally                  // of all types together
	Types map[string]Tally // per resource type

	AmbiguousIDs     int64 // ids that are used by two types or more
	AmbiguousDeleted int64 // resources of such ids that Deleted counts: they are not deleted automatically
}

// wideBuffer is the buffer per segment from which on reading in parallel pays.
const wideBuffer = 16 << 10

// Summarize reads the whole ledger once, in at most memory bytes beside
// what the Ledger holds; less than MinMemory (under 5 KiB per segment) is a
// KindConfig error. Where memory allows wider buffers it reads several hash ranges at the same time, one per core; all
// goroutines have ended when it returns.
func (l *Ledger) Summarize(ctx context.Context, memory int) (Totals, error) {
	ranges := min(runtime.GOMAXPROCS(0), fanOut)
	if n := len(l.segments); n > 0 {
		ranges = max(1, min(ranges, memory/(n*(wideBuffer+perCursor))))
	}
	parts := make([]summary, ranges)
	group, ctx := errgroup.WithContext(ctx)
	for i := range parts {
		group.Go(func() error {
			return parts[i].read(ctx, l, i*fanOut/ranges, (i+1)*fanOut/ranges, memory/ranges)
		})
	}
	if err := group.Wait(); err != nil {
		return Totals{}, err
	}
	return l.total(parts), nil
}

func (l *Ledger) total(parts []summary) Totals {
	t := Totals{Types: make(map[string]Tally, len(l.types))}
	for rank, name := range l.types {
		var sum Tally
		for i := range parts {
			sum.merge(&parts[i].types[rank])
		}
		t.Types[string(name)] = sum
		t.merge(&sum)
	}
	for i := range parts {
		t.AmbiguousIDs += parts[i].ambiguousIDs
		t.AmbiguousDeleted += parts[i].ambiguousDeleted
	}
	return t
}

// summary follows the entries of one hash range; an id never spans two.
type summary struct {
	types            []Tally // by rank
	ambiguousIDs     int64
	ambiguousDeleted int64

	// The current id, and what is known of it so far.
	buf     [MaxNameBytes]byte
	id      []byte
	uses    int64 // resources of the id
	deleted int64 // of them deleted

	// The current resource.
	typ     []byte
	rank    uint32
	history history
}

func (s *summary) read(ctx context.Context, l *Ledger, from, to, memory int) error {
	s.types = make([]Tally, len(l.types))
	m, err := l.newMerge(ctx, from, to, memory)
	if err != nil {
		return err
	}
	for c := m.top(); c != nil; c = m.top() {
		s.add(c)
		if err := m.pop(); err != nil {
			return err
		}
	}
	s.endID()
	return nil
}

func (s *summary) add(c *cursor) {
	e := &c.entry
	if !bytes.Equal(e.ID, s.id) {
		s.endID()
		s.id = s.buf[:copy(s.buf[:], e.ID)]
	} else if c.rank != s.rank {
		s.endResource()
	}
	s.typ, s.rank = e.Type, c.rank
	s.history.add(e)
	t := &s.types[c.rank]
	t.Entries++
	switch {
	case !e.ours():
		t.OtherTenant++
	case e.Status == pipeline.Pending:
		t.Pending++
	}
}

// endResource counts the current resource, if there is one.
func (s *summary) endResource() {
	h := &s.history
	if h.rows > 0 {
		t := &s.types[s.rank]
		t.Duplicates += h.duplicates
		t.Holes += h.holes
		s.uses++
		switch h.fate() {
		case Live:
			t.Live++
			t.Set.Add(s.typ, s.id, &h.last.content)
		case Deleted:
			t.Deleted++
			s.deleted++
		case Unsettled:
			t.Unsettled++
		case Uncommitted:
			t.Uncommitted++
		}
	}
	s.history = history{}
}

func (s *summary) endID() {
	s.endResource()
	if s.uses > 1 {
		s.ambiguousIDs++
		s.ambiguousDeleted += s.deleted
	}
	s.uses, s.deleted = 0, 0
}
