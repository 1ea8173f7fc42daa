package verify

import (
	"context"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// expected is what the ledger says of one type in one hash range.
type expected struct {
	cell                // of the live resources
	deleted      uint64 // resources that must be gone
	inconclusive bool   // it holds resources that no sum can judge
}

// source is the ledger's side, type by type.
type source struct {
	types map[string]*[leads]expected
	// uncommitted counts resources that the source never showed.
	uncommitted int64
}

// readSource folds the whole ledger into sums.
func readSource(ctx context.Context, book *ledger.Ledger, memory int) (*source, error) {
	s := &source{types: make(map[string]*[leads]expected)}
	for r, err := range book.Resources(ctx, memory) {
		if err != nil {
			return nil, err
		}
		if r.Fate == ledger.Uncommitted {
			s.uncommitted++
			continue
		}
		of, ok := s.types[string(r.Type)]
		if !ok {
			of = new([leads]expected)
			s.types[string(r.Type)] = of
		}
		e := &of[keyOf(r.ID).lead()]
		switch {
		case r.Fate == ledger.Live:
			last := lastRows(r)
			e.content.Add(r.Type, r.ID, &last[0].Content)
			e.label.Add(r.Type, r.ID, &last[0].Label) // if rows differ in it, another one may be there: then sums differ
			e.forms.add(&last[0].Content, last[0].Form)
			if slices.ContainsFunc(last, func(row ledger.Entry) bool { return row.Form != last[0].Form }) {
				e.inconclusive = true
			}
		case r.Deletable():
			e.deleted++
		default:
			e.inconclusive = true
		}
	}
	return s, nil
}

// lastRows returns the committed rows of a resource's highest committed version.
// All have that version; other committed rows may stand among them no more.
func lastRows(r *ledger.Resource) []ledger.Entry {
	to := len(r.Versions)
	for to > 0 && !r.Versions[to-1].Committed() {
		to--
	}
	from := to
	for from > 0 && r.Versions[from-1].Version == r.Versions[to-1].Version && r.Versions[from-1].Committed() {
		from--
	}
	return r.Versions[from:to]
}

// side is a resource as judge sees it.
type side struct {
	*ledger.Resource
	last []ledger.Entry // rows of the last version
}

func newSide(r *ledger.Resource) side { return side{r, lastRows(r)} }

// agreed tells whether the rows of the last version agree on what was written.
func (s side) agreed() bool {
	for i := range s.last {
		if s.last[i].Written() != s.last[0].Written() || s.last[i].Content != s.last[0].Content ||
			(s.last[i].Status == pipeline.Deleted) != (s.last[0].Status == pipeline.Deleted) {
			return false
		}
	}
	return true
}

// isLast tells whether a row of the last version has these digests.
func (s side) isLast(t *tuple) bool {
	return slices.ContainsFunc(s.last, func(e ledger.Entry) bool {
		return e.Written() && e.Content == t.content && e.Label == t.label
	})
}

// spelled tells whether numbers stand in the line as in a row of the last version that
// has its digests.
func (s side) spelled(t *tuple) bool {
	return slices.ContainsFunc(s.last, func(e ledger.Entry) bool { return isSum(&e, t) && e.Written() && e.Form == t.form })
}

// wrote tells whether a written version has this content, and these labels if
// they count.
func (s side) wrote(t *tuple, labels bool) bool {
	return slices.ContainsFunc(s.Versions, func(e ledger.Entry) bool {
		return e.Written() && e.Content == t.content && (!labels || e.Label == t.label)
	})
}

// filteredOut tells whether filters kept all versions out.
func (s side) filteredOut() bool {
	return !slices.ContainsFunc(s.Versions, func(e ledger.Entry) bool { return e.Reason.Outcome() != pipeline.Filtered })
}

// leftOut tells whether no version can have arrived, though filters did not keep all
// of them out: each that was written is among the refused. Of two rows of one version
// only one may have been refused, so that nothing is said of these.
func (s side) leftOut(refused func(*ledger.Entry) bool) bool {
	kept := false
	for i := range s.Versions {
		e := &s.Versions[i]
		switch {
		case e.Reason.Outcome() == pipeline.Quarantined:
			kept = true
		case !e.Written():
		case refused == nil || !refused(e) || i > 0 && s.Versions[i-1].Written() && s.Versions[i-1].Version == e.Version:
			return false
		default:
			kept = true
		}
	}
	return kept
}

// maybeDeleted tells whether a row of the last version is DELETED.
func (s side) maybeDeleted() bool {
	return slices.ContainsFunc(s.last, func(e ledger.Entry) bool { return e.Status == pipeline.Deleted })
}
