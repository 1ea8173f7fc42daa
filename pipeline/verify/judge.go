package verify

import (
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// found is what the export says of one resource: all of its lines.
type found struct {
	key   key
	typ   uint16
	lines int64 // that could be read
	first tuple // of its first line
	bare  tuple // the same without the target's marks, if it has any

	hasBare    bool
	contradict bool // lines differ
	unreadable bool // a line could not be read
	generated  bool // the target says that it made the resource
	judged     bool
}

func newFound(t *tuple) found { return found{key: t.key, typ: t.typ, first: *t} }

// add takes the next line of the resource.
func (f *found) add(t *tuple) {
	switch {
	case t.flags&flagUnreadable != 0:
		f.unreadable = true
	case t.flags&flagBare != 0:
		if !f.hasBare {
			f.bare, f.hasBare = *t, true
		}
	default:
		if f.lines > 0 && (t.content != f.first.content || t.label != f.first.label) {
			f.contradict = true
		}
		if f.lines == 0 {
			f.first = *t
		}
		f.lines++
		f.generated = f.generated || t.flags&flagGenerated != 0
	}
}

// forms are the digests under which the resource may be ours: as it stands, and
// without what the target adds.
func (f *found) forms() []*tuple {
	if f.hasBare {
		return []*tuple{&f.first, &f.bare}
	}
	return []*tuple{&f.first}
}

func (f *found) any(is func(*tuple) bool) bool {
	for _, t := range f.forms() {
		if is(t) {
			return true
		}
	}
	return false
}

// judge classes resources one by one.
type judge struct {
	imported  int64 // Unix ms
	anonymous bool  // there are lines of which nobody knows whose they are
	refused   func(*ledger.Entry) bool
}

// later tells whether the line was written after the import. A time that cannot
// be read is none.
func (j *judge) later(f *found) bool { return f.first.updated > j.imported }

// unknown classes a resource of which the ledger knows nothing.
func (j *judge) unknown(f *found) (Class, Cause) {
	switch {
	case f.lines == 0:
		return Unchecked, UnreadableLine
	case f.generated:
		return MadeByTarget, NoCause
	}
	return Extra, NoCause
}

// absent classes a resource that the export does not hold.
func (j *judge) absent(s side) (Class, Cause) {
	switch s.Fate {
	case ledger.Live:
		return Missing, j.why(s, NoCause)
	case ledger.Deleted:
		switch {
		case s.Ambiguous:
			return Unchecked, AmbiguousID
		case j.anonymous:
			return Unchecked, UnreadableElsewhere
		}
		return DeletedGone, NoCause
	}
	switch {
	case s.filteredOut():
		return NotMoved, NoCause
	case s.maybeDeleted():
		return Unchecked, j.why(s, Unsettled)
	}
	return Missing, j.why(s, NoCause)
}

// why is LeftOut where nothing of the resource can have arrived, or else what it is
// otherwise.
func (j *judge) why(s side, otherwise Cause) Cause {
	if s.leftOut(j.refused) {
		return LeftOut
	}
	return otherwise
}

// present classes a resource that both sides know.
func (j *judge) present(s side, f *found) (Class, Cause) {
	switch {
	case f.lines == 0 || f.unreadable:
		return Unchecked, UnreadableLine
	case s.Fate == ledger.Deleted:
		return j.deleted(s, f)
	case f.contradict:
		return Unchecked, Contradiction
	case s.Fate == ledger.Unsettled:
		if s.agreed() && f.any(func(t *tuple) bool { return s.wrote(t, false) }) {
			return KnownStale, NoCause
		}
		return Unchecked, j.why(s, Unsettled)
	}
	return j.live(s, f), NoCause
}

func (j *judge) deleted(s side, f *found) (Class, Cause) {
	switch {
	case s.Ambiguous:
		return Unchecked, AmbiguousID
	case j.later(f) && !f.any(func(t *tuple) bool { return s.wrote(t, false) }):
		return ChangedAfterImport, NoCause
	}
	return DeletedPresent, NoCause
}

// live asks, in this order: what digests prove, then what time says. What is not
// the last version, but was written, is an earlier one.
func (j *judge) live(s side, f *found) Class {
	last := &s.last[0]
	sameContent := func(t *tuple) bool { return t.content == last.Content }
	switch {
	case s.isLast(&f.first) && !s.spelled(&f.first):
		return EqualNumbers
	case s.isLast(&f.first):
		return Equal
	case f.any(s.isLast):
		return MadeByTarget
	case f.any(func(t *tuple) bool { return s.wrote(t, true) }):
		return KnownStale
	case f.any(sameContent) && last.Label == noLabels:
		// Nothing of ours is lost, but somebody added labels.
		if j.later(f) {
			return ChangedAfterImport
		}
		return MadeByTarget
	case f.any(sameContent):
		return LabelLost
	case f.any(func(t *tuple) bool { return s.wrote(t, false) }):
		return KnownStale
	case j.later(f):
		return ChangedAfterImport
	}
	return Different
}

// noLabels is the label digest of a resource without labels.
var noLabels = new(digest.Labels).Sum()
