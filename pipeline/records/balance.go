package records

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

// tally returns what workers said became of a tenant's records, once all are
// merged: nothing adds to it any more.
func (m *Mover) tally(tenant string) *tally {
	all := &m.live.totals
	switch t := all.Tenants[tenant]; {
	case all.Tenants == nil:
		return &all.tally
	case t == nil: // an object was repaired, and it is not in it any more
		return newTally()
	default:
		return t
	}
}

// balance compares, per tenant and over all, independent counts: what workers
// said became of the records, the lines that writers put into files, the ledger's
// entries, and what the manifest promised (I4).
func (m *Mover) balance(parts []part) error {
	var promised, read int64
	for i := range parts {
		if err := m.balancePart(&parts[i]); err != nil {
			return unbalanced(err)
		}
		read += m.tally(parts[i].tenant).sum().Read
	}
	for i := range m.objects {
		if m.objects[i].Items != pipeline.Unpromised {
			promised += m.objects[i].Items
		}
	}
	promised += m.live.totals.Counted
	if all := m.live.totals.sum().Read; read != promised || all != promised {
		return unbalanced(fmt.Errorf("%d records read, %d of all tenants, %d promised by the manifest or counted before", all, read, promised))
	}
	return nil
}

func (m *Mover) balancePart(p *part) error {
	lines := make(map[string]int64)
	var quarantineLines, foreign int64
	for i := range p.files {
		switch f := &p.files[i]; {
		case f.IsQuarantine():
			quarantineLines += int64(f.Lines)
		case !f.IsLedger():
			lines[f.Type] += int64(f.Lines)
		}
	}
	all := m.tally(p.tenant)
	for _, name := range slices.Sorted(maps.Keys(all.Types)) {
		t := all.Types[name]
		if t.Written != lines[name] {
			return fmt.Errorf("type %s: %d records written, %d lines in files", name, t.Written, lines[name])
		}
		if rest := t.Read - t.Written - sum(t.Filtered) - sum(t.Quarantined); rest != 0 {
			return fmt.Errorf("type %s: %d records without outcome", name, rest)
		}
		foreign += t.Filtered[pipeline.OtherTenant.String()]
		delete(lines, name)
	}
	if len(lines) > 0 {
		return fmt.Errorf("%d types have lines in files, and no records", len(lines))
	}
	of := all.sum()
	if of.Quarantined != quarantineLines {
		return fmt.Errorf("%d records quarantined, %d lines in quarantine", of.Quarantined, quarantineLines)
	}
	if want := of.Read - all.Unidentified - foreign; p.ledger.Entries != want {
		return fmt.Errorf("%d ledger entries, %d records with identity", p.ledger.Entries, want)
	}
	return nil
}

func sum(by map[string]int64) (n int64) {
	for _, count := range by {
		n += count
	}
	return n
}

func unbalanced(err error) error {
	return &pipeline.Error{
		Op: "balance the records", Kind: pipeline.KindFatal, Err: err,
		Hint: "this is a defect of fhirhose; nothing was announced: keep `state` and the sink, and report it",
	}
}
