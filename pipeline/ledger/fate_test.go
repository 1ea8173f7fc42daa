package ledger_test

import (
	"slices"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// TestFate is the table of docs/ledger.md and of the issue: no wrong deletion,
// no resurrection.
func TestFate(t *testing.T) {
	const (
		avail, locked, pending = pipeline.Available, pipeline.Locked, pipeline.Pending
		deleting, deleted      = pipeline.PendingDelete, pipeline.Deleted
	)
	v := func(version uint32, s pipeline.DocumentStatus) ledger.Entry { return entry("Patient", "a", version, s) }
	not := func(version uint32, s pipeline.DocumentStatus, why pipeline.Reason) ledger.Entry {
		return skipped("Patient", "a", version, s, why)
	}
	other := func(e ledger.Entry) ledger.Entry { e.Content[0]++; return e }

	for _, c := range []struct {
		name              string
		entries           []ledger.Entry
		fate              ledger.Fate
		holes, duplicates int64
	}{
		{"superseded versions are DELETED too", []ledger.Entry{v(1, deleted), v(2, avail)}, ledger.Live, 0, 0},
		{"truly deleted", []ledger.Entry{v(1, deleted), v(2, deleted)}, ledger.Deleted, 0, 0},
		{"live v3 cut off by until, v2 DELETED", []ledger.Entry{v(1, deleted), v(2, deleted), not(3, avail, pipeline.AfterUntil)}, ledger.Unsettled, 0, 0},
		{"v2 DELETED left out by deleted: false", []ledger.Entry{v(1, avail), not(2, deleted, pipeline.IsDeleted)}, ledger.Unsettled, 0, 0},
		{"all versions left out by deleted: false", []ledger.Entry{not(1, deleted, pipeline.IsDeleted), not(2, deleted, pipeline.IsDeleted)}, ledger.Unsettled, 0, 0},
		{"superseded history left out, live version written", []ledger.Entry{not(1, deleted, pipeline.IsDeleted), v(2, avail)}, ledger.Live, 0, 0},
		{"quarantined top above a live version", []ledger.Entry{v(1, avail), not(2, avail, pipeline.BadMeta)}, ledger.Unsettled, 0, 0},
		{"quarantined top above a DELETED version", []ledger.Entry{v(1, deleted), not(2, avail, pipeline.BadMeta)}, ledger.Unsettled, 0, 0},
		{"quarantined DELETED top", []ledger.Entry{v(1, avail), not(2, deleted, pipeline.BadNumber)}, ledger.Unsettled, 0, 0},
		{"quarantined history", []ledger.Entry{not(1, deleted, pipeline.NoMeta), v(2, deleted)}, ledger.Deleted, 0, 0},
		{"PENDING top above DELETED", []ledger.Entry{v(1, deleted), not(2, pending, pipeline.IsPending)}, ledger.Deleted, 0, 0},
		{"PENDING top above a live version", []ledger.Entry{v(1, avail), not(2, pending, pipeline.IsPending)}, ledger.Live, 0, 0},
		{"PENDING top above an unwritten version", []ledger.Entry{v(1, avail), not(2, deleted, pipeline.IsDeleted), not(3, pending, pipeline.IsPending)}, ledger.Unsettled, 0, 0},
		{"PENDING alone", []ledger.Entry{not(1, pending, pipeline.IsPending)}, ledger.Uncommitted, 0, 0},
		{"LOCKED is live", []ledger.Entry{v(1, deleted), v(2, locked)}, ledger.Live, 0, 0},
		{"PENDING_DELETE is live", []ledger.Entry{v(1, deleting)}, ledger.Live, 0, 0},
		{"out of merge order", []ledger.Entry{v(3, deleted), v(1, avail), v(2, avail)}, ledger.Deleted, 0, 0},
		{"another tenant's later version", []ledger.Entry{v(1, avail), not(2, deleted, pipeline.OtherTenant)}, ledger.Live, 0, 0},
		{"unknown tenant's later version", []ledger.Entry{v(1, deleted), not(2, avail, pipeline.NoTenant)}, ledger.Unsettled, 0, 0},

		{"same top twice, equal", []ledger.Entry{v(1, deleted), v(1, deleted)}, ledger.Deleted, 0, 1},
		{"same top twice, one filtered", []ledger.Entry{v(1, deleted), not(1, deleted, pipeline.AfterUntil)}, ledger.Unsettled, 0, 1},
		{"same top twice, one live", []ledger.Entry{v(1, deleted), v(1, avail)}, ledger.Unsettled, 0, 1},
		{"same top twice, contents differ", []ledger.Entry{v(1, avail), other(v(1, avail))}, ledger.Unsettled, 0, 1},
		{"same top thrice, middle one differs", []ledger.Entry{v(1, avail), other(v(1, avail)), v(1, avail)}, ledger.Unsettled, 0, 2},
		{"same top thrice, first one differs", []ledger.Entry{other(v(1, avail)), v(1, avail), v(1, avail)}, ledger.Unsettled, 0, 2},
		{"older versions may disagree", []ledger.Entry{v(1, avail), other(v(1, avail)), v(2, deleted)}, ledger.Deleted, 0, 1},
		{"PENDING beside the top is no second row of it", []ledger.Entry{v(1, deleted), not(1, pending, pipeline.IsPending)}, ledger.Deleted, 0, 1},

		{"holes at both ends", []ledger.Entry{v(3, deleted), v(6, avail)}, ledger.Live, 4, 0},
		{"a PENDING version is no hole", []ledger.Entry{v(1, deleted), not(2, pending, pipeline.IsPending), v(3, avail)}, ledger.Live, 0, 0},
		{"no holes above the last committed version", []ledger.Entry{v(1, avail), not(9, pending, pipeline.IsPending)}, ledger.Live, 0, 0},
		{"no holes without a committed version", []ledger.Entry{not(9, pending, pipeline.IsPending)}, ledger.Uncommitted, 0, 0},
		{"version 0", []ledger.Entry{v(0, deleted), v(2, avail)}, ledger.Live, 1, 0},
		{"the highest version number", []ledger.Entry{v(1<<32-1, avail)}, ledger.Live, 1<<32 - 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			// One segment; and one per entry, so that the history is merged.
			split := [][]ledger.Entry{}
			for e := range slices.Chunk(c.entries, 1) {
				split = append(split, e)
			}
			for _, segments := range [][][]ledger.Entry{{c.entries}, split} {
				l := open(t, segments...)
				all := resources(t, l, plenty)
				if len(all) != 1 {
					t.Fatalf("%d resources", len(all))
				}
				r := all[0]
				if r.Fate != c.fate || r.Holes != c.holes || r.Duplicates != c.duplicates || r.Deletable() != (c.fate == ledger.Deleted) {
					t.Fatalf("%v, %d holes, %d duplicates", r.Fate, r.Holes, r.Duplicates)
				}
				sum, err := l.Summarize(t.Context(), plenty)
				if err != nil {
					t.Fatal(err)
				}
				if sum.Set.Count != b2u(c.fate == ledger.Live) || sum.Deleted != int64(b2u(c.fate == ledger.Deleted)) ||
					sum.Unsettled != int64(b2u(c.fate == ledger.Unsettled)) || sum.Holes != c.holes {
					t.Fatalf("%+v", sum)
				}
			}
		})
	}
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// TestAmbiguousIsNeverDeletable: an id that two types use is written and listed,
// and nothing of it is deleted automatically.
func TestAmbiguousIsNeverDeletable(t *testing.T) {
	for name, second := range map[string]ledger.Entry{
		"written":     entry("Patient", "a", 2, pipeline.Available),
		"filtered":    skipped("Patient", "a", 2, pipeline.Available, pipeline.OtherType),
		"quarantined": skipped("Patient", "a", 2, pipeline.Deleted, pipeline.BadTag),
		"pending":     skipped("Patient", "a", 2, pipeline.Pending, pipeline.IsPending),
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, []ledger.Entry{entry("Observation", "a", 1, pipeline.Deleted)}, []ledger.Entry{second})
			r, err := lookup(t.Context(), l, "Observation", "a")
			if err != nil || r.Fate != ledger.Deleted || !r.Ambiguous || r.Deletable() {
				t.Fatalf("%+v, %v", r, err)
			}
			sum, err := l.Summarize(t.Context(), plenty)
			if err != nil || sum.AmbiguousIDs != 1 || sum.AmbiguousDeleted != 1 {
				t.Fatalf("%+v, %v", sum, err)
			}
		})
	}
	l := open(t, []ledger.Entry{
		entry("Observation", "a", 1, pipeline.Deleted),
		skipped("Patient", "a", 2, pipeline.Available, pipeline.OtherTenant),
	})
	if all := resources(t, l, plenty); len(all) != 1 || !all[0].Deletable() {
		t.Fatalf("another tenant's id: %+v", all)
	}
}
