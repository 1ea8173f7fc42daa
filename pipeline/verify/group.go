package verify

import "fmt"

// group holds what the export says of all ids that share the high word of a key:
// one id but for an accident. So the order of two such ids, which the ledger
// knows from their texts, does not matter.
type group struct {
	merger     *merger
	comparison *comparison
	high       uint64
	found      []found
	lines      int64 // that were taken
}

// begin reports the lines without identity and takes the first group.
func (g *group) begin() error {
	for t := g.merger.top(); t != nil && t.flags&flagAnonymous != 0; t = g.merger.top() {
		f := Finding{Class: Unchecked, Cause: UnreadableLine}
		f.place(t)
		if err := g.comparison.count(nil, &f, ""); err != nil {
			return err
		}
		if err := g.merger.pop(); err != nil {
			return err
		}
	}
	return g.take()
}

// take takes the next group from the merger.
func (g *group) take() error {
	g.found = g.found[:0]
	t := g.merger.top()
	if t == nil {
		return nil
	}
	for g.high = t.key.high; t != nil && t.key.high == g.high; t = g.merger.top() {
		if t.flags&flagBare == 0 {
			g.lines++
		}
		if !g.comparison.agreed[t.typ][t.key.lead()] {
			g.add(t)
		}
		if err := g.merger.pop(); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) add(t *tuple) {
	f := g.find(t.key, t.typ)
	if f == nil {
		g.found = append(g.found, newFound(t))
		f = &g.found[len(g.found)-1]
	}
	f.add(t)
}

// find returns what the group says of a resource, or nil.
func (g *group) find(k key, typ uint16) *found {
	for i := range g.found {
		if f := &g.found[i]; f.key == k && f.typ == typ {
			return f
		}
	}
	return nil
}

// goTo passes all groups before high.
func (g *group) goTo(high uint64) error {
	for g.before(high) {
		if err := g.pass(); err != nil {
			return err
		}
	}
	return nil
}

// before tells whether the current group, or the next one, comes before high.
func (g *group) before(high uint64) bool {
	if len(g.found) > 0 {
		return g.high < high
	}
	t := g.merger.top()
	return t != nil && t.key.high <= high
}

// pass classes what no ledger entry has asked for, and takes the next group.
func (g *group) pass() error {
	for i := range g.found {
		f := &g.found[i]
		if f.judged {
			continue
		}
		c := g.comparison
		c.result.Repeated += max(0, f.lines-1)
		finding := Finding{}
		finding.Class, finding.Cause = c.judge.unknown(f)
		finding.place(&f.first)
		if err := c.count(c.result.Types[c.types[f.typ]], &finding, c.types[f.typ]); err != nil {
			return err
		}
	}
	return g.take()
}

// end passes all groups that are left.
func (g *group) end() error {
	for len(g.found) > 0 || g.merger.top() != nil {
		if err := g.pass(); err != nil {
			return err
		}
	}
	want := int64(0)
	for lead, wanted := range g.comparison.wanted {
		if wanted {
			want += g.comparison.lines[lead]
		}
	}
	if g.lines != want { // or a resource could be missed
		return damagedRun(runPrefix+"*", fmt.Sprintf("%d lines were found, the sums cover %d", g.lines, want))
	}
	return nil
}
