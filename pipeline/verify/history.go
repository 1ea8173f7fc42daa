package verify

import (
	"bytes"
	"context"
	"iter"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Historian asks a target for histories. It is used by several goroutines. Its
// errors are like those of a [Reader].
type Historian interface {
	// History yields the bodies of all versions, the newest first, nil being a
	// deletion; nothing if there has never been such a resource. An error ends it.
	History(ctx context.Context, resourceType, id string) iter.Seq2[[]byte, error]
}

// Histories looks for every version that was written, of each resource of the
// share, in the target's history: they must be there in their order, whatever
// stands between them. It is used like [Inquiry.Current].
func (q *Inquiry) Histories(ctx context.Context, book *ledger.Ledger, target Historian, p *Progress) error {
	j := historyJudge{judge{imported: q.imported(), refused: q.Refused}}
	return q.run(ctx, book, func(ctx context.Context, a *asker, s side) (out verdict, err error) {
		h, err := a.history(ctx, s, target)
		if err != nil {
			return out, err
		}
		return j.class(s, h), nil
	}, []Class{Missing, Different, LabelLost, KnownStale, DeletedPresent}, p)
}

// history asks for all versions of a resource.
func (a *asker) history(ctx context.Context, s side, target Historian) (*history, error) {
	h := new(history)
	for body, err := range target.History(ctx, string(s.Type), string(s.ID)) {
		switch {
		case err != nil:
			return nil, err
		case body == nil:
			h.deleted = h.deleted || len(h.versions) == 0
		default:
			err = a.take(ctx, s, func(f *found) { h.versions = append(h.versions, *f) })(bytes.NewReader(body))
			if err != nil {
				return nil, err
			}
		}
	}
	slices.Reverse(h.versions)
	return h, nil
}

// history is what the target keeps of a resource.
type history struct {
	versions []found // that are no deletions, the oldest first
	deleted  bool    // the newest is a deletion
}

func (h *history) unreadable() (pipeline.Reason, bool) {
	for i := range h.versions {
		if f := &h.versions[i]; f.unreadable {
			return pipeline.Reason(f.first.reason), true
		}
	}
	return pipeline.NoReason, false
}

// historyJudge classes histories.
type historyJudge struct{ judge }

func (j *historyJudge) class(s side, h *history) (out verdict) {
	wanted, agreed := s.sent()
	switch {
	case !agreed:
		return verdict{class: Unchecked, cause: Unsettled}
	case len(wanted) == 0:
		return j.nothing(s, h)
	case len(h.versions) == 0:
		return verdict{class: Missing, cause: j.why(s, NoCause)}
	}
	if reason, bad := h.unreadable(); bad {
		return verdict{class: Unchecked, cause: UnreadableLine, reason: reason}
	}
	m := match(wanted, h.versions, sameSums)
	out.repeats = m.repeats()
	if len(m.lost) == 0 {
		out.class, out.cause = j.whole(s, h, m)
		return out
	}
	out.class, out.cause = j.lost(wanted, h, m)
	return out
}

// nothing classes a resource of which no version was written.
func (j *historyJudge) nothing(s side, h *history) verdict {
	if len(h.versions) == 0 && s.filteredOut() {
		return verdict{class: NotMoved}
	}
	return verdict{class: Unchecked, cause: j.why(s, Unsettled)}
}

// whole classes a resource of which every version that was written is there.
func (j *historyJudge) whole(s side, h *history, m *matching) (Class, Cause) {
	switch {
	case s.Fate == ledger.Unsettled:
		return Unchecked, Unsettled
	case s.Fate == ledger.Deleted && s.Ambiguous:
		return Unchecked, AmbiguousID
	case s.Fate == ledger.Deleted && h.deleted:
		return DeletedGone, NoCause
	case s.Fate == ledger.Deleted && j.later(&h.versions[len(h.versions)-1]) && !m.known[len(h.versions)-1]:
		return ChangedAfterImport, NoCause // it was made again
	case s.Fate == ledger.Deleted:
		return DeletedPresent, NoCause
	case h.deleted:
		return Missing, NoCause
	case m.marked:
		return MadeByTarget, NoCause
	case m.spelled:
		return EqualNumbers, NoCause
	}
	return Equal, NoCause
}

// lost classes a resource of which versions are not where they should be.
func (j *historyJudge) lost(wanted []*ledger.Entry, h *history, m *matching) (Class, Cause) {
	newest := len(wanted) - 1
	isLost := func(i int) bool { return slices.Contains(m.lost, i) }
	displaced := func(i int) bool {
		for k := range h.versions {
			if !m.used[k] && sameSums(wanted[i], &h.versions[k]) {
				return true
			}
		}
		return false
	}
	foreign := false
	for k := range h.versions {
		foreign = foreign || !m.known[k] && !j.later(&h.versions[k])
	}
	cause := VersionMissing
	if j.refused != nil && !slices.ContainsFunc(m.lost, func(i int) bool { return !j.refused(wanted[i]) }) {
		cause = VersionRefused
	}
	switch {
	case isLost(newest) && m.known[len(h.versions)-1]: // the current one is an earlier version
		return KnownStale, cause
	case len(match(wanted, h.versions, sameContent).lost) == 0:
		return LabelLost, NoCause
	case foreign:
		return Different, NoCause
	case slices.ContainsFunc(m.lost, displaced):
		return Different, OutOfOrder
	case isLost(newest) && len(m.lost) < len(wanted):
		return KnownStale, cause
	}
	return Missing, cause
}

// sent returns the versions that were written, the oldest first. agreed is false
// if there are several of one number that differ: nobody knows which came last.
func (s side) sent() (all []*ledger.Entry, agreed bool) {
	for i := range s.Versions {
		e := &s.Versions[i]
		if !e.Written() {
			continue
		}
		if n := len(all); n > 0 && all[n-1].Version == e.Version {
			if all[n-1].Content != e.Content || all[n-1].Label != e.Label {
				return nil, false
			}
			continue
		}
		all = append(all, e)
	}
	return all, true
}

// matching is how versions of the source and of the target go together.
type matching struct {
	lost   []int  // of the source
	at     []int  // of the target, for each of the source; -1: it is lost
	used   []bool // of the target
	known  []bool // of the target: it is some version of ours
	marked bool   // one is ours without what the target added
	// spelled: numbers of one that is ours stand there in another form.
	spelled bool
}

// match takes for each version the first one behind that of the version before.
func match(wanted []*ledger.Entry, kept []found, same func(*ledger.Entry, *found) bool) *matching {
	m := &matching{used: make([]bool, len(kept)), known: make([]bool, len(kept))}
	at := 0
	for i, e := range wanted {
		k := at
		for k < len(kept) && !same(e, &kept[k]) {
			k++
		}
		if k == len(kept) {
			m.lost, m.at = append(m.lost, i), append(m.at, -1)
			continue
		}
		m.at = append(m.at, k)
		m.used[k], at = true, k+1
		m.marked = m.marked || !isSum(e, &kept[k].first)
		m.spelled = m.spelled || e.Form != kept[k].first.form
	}
	for k := range kept {
		m.known[k] = m.used[k] || slices.ContainsFunc(wanted, func(e *ledger.Entry) bool { return same(e, &kept[k]) })
	}
	return m
}

// repeats counts versions that are ours once more.
func (m *matching) repeats() (n int64) {
	for k := range m.known {
		if m.known[k] && !m.used[k] {
			n++
		}
	}
	return n
}

func isSum(e *ledger.Entry, t *tuple) bool { return e.Content == t.content && e.Label == t.label }

func sameSums(e *ledger.Entry, f *found) bool {
	return f.any(func(t *tuple) bool { return isSum(e, t) })
}

func sameContent(e *ledger.Entry, f *found) bool {
	return f.any(func(t *tuple) bool { return e.Content == t.content })
}
