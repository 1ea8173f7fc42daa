package ledger

import (
	"context"
	"iter"
)

// Find yields the resources of all ids that are wanted, by their text, in ledger
// order. It reads each hash range that a wanted id lies in once, of every segment,
// and nothing else; many ids cost one pass over the ledger. Memory and validity are
// those of [Ledger.Resources].
func (l *Ledger) Find(ctx context.Context, wanted map[string]bool, memory int) iter.Seq2[*Resource, error] {
	return func(yield func(*Resource, error) bool) {
		var leads [fanOut]bool
		for id := range wanted {
			leads[sortKey([]byte(id))>>56] = true
		}
		for from := 0; from < fanOut; from++ {
			if !leads[from] {
				continue
			}
			to := from + 1
			for to < fanOut && leads[to] {
				to++
			}
			if !l.findRange(ctx, wanted, from, to, memory, yield) {
				return
			}
			from = to
		}
	}
}

// findRange yields what is wanted of the leading bytes in [from, to). It tells
// whether more is asked for.
func (l *Ledger) findRange(ctx context.Context, wanted map[string]bool, from, to, memory int, yield func(*Resource, error) bool) bool {
	m, err := l.newMerge(ctx, from, to, memory)
	if err != nil {
		yield(nil, err)
		return false
	}
	var g idGroup
	for c := m.top(); c != nil; c = m.top() {
		if !wanted[string(c.entry.ID)] {
			if err := m.pop(); err != nil {
				yield(nil, err)
				return false
			}
			continue
		}
		if err := g.take(m); err != nil {
			yield(nil, err)
			return false
		}
		for i := range g.judge() {
			if !yield(&g.resources[i], nil) {
				return false
			}
		}
	}
	return true
}
