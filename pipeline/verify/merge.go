package verify

import (
	"context"
	"slices"
)

const (
	// leastBuffer and mostBuffer bound what is read of a run at once.
	leastBuffer = 80 * tupleSize
	mostBuffer  = 10000 * tupleSize
)

// cursor walks the tuples of one run, or of some of its hash ranges.
type cursor struct {
	run   *run
	types []uint16 // the run's numbers of types to those of the merge
	buf   []byte
	have  []byte // tuples that are read and not used
	next  int64  // number of the first tuple that is not read
	tuple tuple  // the current one
}

// advance goes on to the next tuple; more is false at the end.
func (c *cursor) advance() (more bool, err error) {
	if len(c.have) == 0 {
		n := min(int64(len(c.buf)/tupleSize), c.run.tuples-c.next)
		if n == 0 {
			return false, nil
		}
		c.have = c.buf[:n*tupleSize]
		if err := c.run.readTuples(c.have, c.next); err != nil {
			return false, err
		}
		c.next += n
	}
	before := c.tuple.key
	if !c.tuple.decode(c.have) {
		return false, c.run.damaged("a tuple")
	}
	c.have = c.have[tupleSize:]
	if c.tuple.key.high < before.high {
		return false, c.run.damaged("tuples out of order")
	}
	if c.tuple.flags&flagAnonymous == 0 {
		if int(c.tuple.typ) >= len(c.types) {
			return false, c.run.damaged("a type without a name")
		}
		c.tuple.typ = c.types[c.tuple.typ]
	}
	return true, nil
}

// merger yields the tuples of many runs in order. It holds a buffer per run.
type merger struct {
	ctx    context.Context
	heap   []*cursor
	wanted [leads]bool // the hash ranges that are wanted
	read   int         // tuples, to look at ctx now and then
}

// newMerger merges the wanted hash ranges of runs in about so many bytes of
// memory. number gives a type its number in the merge.
func newMerger(ctx context.Context, runs []*run, wanted [leads]bool, memory int, number func(typ string) (uint16, error)) (*merger, error) {
	m := &merger{ctx: ctx, wanted: wanted}
	if len(runs) == 0 {
		return m, nil
	}
	size := min(mostBuffer, max(leastBuffer, memory/len(runs)/tupleSize*tupleSize))
	for _, r := range runs {
		c := &cursor{run: r, buf: make([]byte, min(int64(size), max(1, r.tuples)*tupleSize))}
		for _, name := range r.types {
			n, err := number(name)
			if err != nil {
				return nil, err
			}
			c.types = append(c.types, n)
		}
		more, err := m.advance(c)
		if err != nil {
			return nil, err
		}
		if more {
			m.heap = append(m.heap, c)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// advance goes on to the next tuple of a wanted range.
func (m *merger) advance(c *cursor) (bool, error) {
	for {
		more, err := c.advance()
		if err != nil || !more || m.wanted[c.tuple.key.lead()] {
			return more, err
		}
		to := slices.Index(m.wanted[c.tuple.key.lead():], true)
		if to < 0 {
			return false, nil
		}
		high := uint64(c.tuple.key.lead()+to) << 56
		for len(c.have) > 0 && keyHigh(c.have) < high { // it may be in the buffer
			c.have = c.have[tupleSize:]
		}
		if len(c.have) == 0 {
			if c.next, err = c.run.seek(high); err != nil {
				return false, err
			}
		}
	}
}

// top returns the least tuple, valid until pop, or nil at the end.
func (m *merger) top() *tuple {
	if len(m.heap) == 0 {
		return nil
	}
	return &m.heap[0].tuple
}

// pop goes on to the next tuple.
func (m *merger) pop() error {
	if m.read++; m.read%1024 == 0 {
		if err := m.ctx.Err(); err != nil {
			return err
		}
	}
	c := m.heap[0]
	more, err := m.advance(c)
	if err != nil {
		return err
	}
	if !more {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.sink(0)
	return nil
}

// sink moves the cursor at i down to its place.
func (m *merger) sink(i int) {
	for {
		least := 2*i + 1
		if least >= len(m.heap) {
			return
		}
		if right := least + 1; right < len(m.heap) && m.heap[right].tuple.compare(&m.heap[least].tuple) < 0 {
			least = right
		}
		if m.heap[least].tuple.compare(&m.heap[i].tuple) >= 0 {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

// compact merges runs until there are no more of them than one merge may read. A
// kill leaves either the merged run or what it was merged from.
func compact(ctx context.Context, o *Options, runs []*run) ([]*run, error) {
	most := o.runs()
	for len(runs) > most {
		n := min(most, len(runs)-most+1)
		merged, err := mergeRuns(ctx, o.Dir, runs[:n], lastNumber(runs)+1, o.memory()/4)
		if err != nil {
			return nil, err
		}
		runs = append(slices.Clone(runs[n:]), merged)
	}
	return runs, nil
}

// mergeRuns writes one run of several, and removes those.
func mergeRuns(ctx context.Context, dir string, runs []*run, number, memory int) (*run, error) {
	f := footer{Marks: runs[0].marks}
	types, sums := make(map[string]uint16), []*cells(nil)
	typeNumber := func(name string) (uint16, error) {
		n, ok := types[name]
		if !ok {
			if len(types) == maxTypes {
				return 0, errTooManyTypes
			}
			n = uint16(len(types))
			types[name] = n
			f.Types, sums = append(f.Types, name), append(sums, new(cells))
		}
		return n, nil
	}
	var all [leads]bool
	for i := range all {
		all[i] = true
	}
	m, err := newMerger(ctx, runs, all, memory, typeNumber)
	if err != nil {
		return nil, err
	}
	out := newRunWriter(dir, number)
	for t := m.top(); t != nil; t = m.top() {
		if err := out.add(t); err != nil {
			return nil, err
		}
		if err := m.pop(); err != nil {
			return nil, err
		}
	}
	for _, r := range runs {
		f.Replaces = append(f.Replaces, r.number)
	}
	if err := eachFooter(runs, func(part *footer) error {
		f.Extents = append(f.Extents, part.Extents...)
		return part.eachCell(func(typ string, lead int, c *cell) { sums[types[typ]][lead].merge(c) })
	}); err != nil {
		return nil, err
	}
	f.setCells(sums)
	if err := out.finish(&f); err != nil {
		return nil, err
	}
	for _, r := range runs {
		if err := removeRun(r); err != nil {
			return nil, err
		}
	}
	merged, _, err := openRun(runPath(dir, number))
	return merged, err
}
