package metrics

import (
	"testing"
	"time"
)

// movedBinaries differs in everything from a job without Binaries.
func movedBinaries() *BinaryTotals {
	return &BinaryTotals{
		Objects: 1, Bytes: 2, BinaryCounts: BinaryCounts{
			Rows: 3, Written: 4, BytesWritten: 5, ContentBytes: 6,
			Quarantined: map[string]int64{"bad-id": 7}, Erased: 8, Recovered: 9, Waiting: 12,
			Orphans: &OrphanTotals{
				Objects: 14, Bytes: 15, Oldest: noon.Add(-time.Hour), Newest: noon.Add(-time.Minute), Newer: 16, NewerBytes: 17,
			},
		},
		Fetched: 10, InFlight: 11, WaitingBytes: 18, WaitSeconds: 13,
	}
}

// TestReasonsOfBinariesAreClosed: what no list knows is no label (I10).
func TestReasonsOfBinariesAreClosed(t *testing.T) {
	s := Status{Binaries: &BinaryTotals{BinaryCounts: BinaryCounts{Quarantined: map[string]int64{"canary": 2, "bad-id": 1}}}}
	got := gather(t, s, noon)["binaries_quarantined_total"]
	sum := 0.0
	for _, n := range got {
		sum += n
	}
	if len(got) != len(testLabels().Reasons)+1 || sum != 3 {
		t.Errorf("got %v", got)
	}
}

// TestAgeOfOrphans: none is told from just now.
func TestAgeOfOrphans(t *testing.T) {
	s := Status{Binaries: movedBinaries()}
	only := func(s Status, name string) float64 {
		for _, value := range gather(t, s, noon)[name] {
			return value
		}
		t.Fatalf("no %s", name)
		return 0
	}
	if age := only(s, "binaries_orphans_oldest_age_seconds"); age != 3600 {
		t.Errorf("%f", age)
	}
	s.Binaries.Orphans = &OrphanTotals{Newer: 1}
	if age := only(s, "binaries_orphans_newest_age_seconds"); age != -1 {
		t.Errorf("%f", age)
	}
}

// TestBinariesBalance: rows that wait are no fault of a job at work, and one of a
// job that is done; what is of no tenant is a fault.
func TestBinariesBalance(t *testing.T) {
	f := func(name string, want bool, change func(*Status)) {
		t.Helper()
		s := Status{
			Phase: PhaseMoving, Types: map[string]*TypeTotals{"Binary": {Read: 9, Written: 4, Quarantined: map[string]int64{"x": 2}}},
			Binaries: &BinaryTotals{BinaryCounts: BinaryCounts{Rows: 9, Written: 4, Quarantined: map[string]int64{"x": 2}, Waiting: 3}},
			Tenants: map[string]*TenantTotals{
				"a": {Binaries: &BinaryCounts{Rows: 7, Written: 4, Quarantined: map[string]int64{"x": 1}, Waiting: 2}},
				"b": {Binaries: &BinaryCounts{Rows: 2, Quarantined: map[string]int64{"x": 1}, Waiting: 1}},
				"c": {},
			},
		}
		change(&s)
		if got := s.Unbalanced(); (len(got) == 0) != want {
			t.Errorf("%s: unbalanced %v", name, got)
		}
	}
	f("at work", true, func(*Status) {})
	f("done", false, func(s *Status) { s.Phase = PhaseDone })
	f("one waits too few", false, func(s *Status) { s.Binaries.Waiting, s.Tenants["b"].Binaries.Waiting = 2, 0 })
	f("one of no tenant", false, func(s *Status) { delete(s.Tenants, "b") })
	f("another reason", false, func(s *Status) { s.Tenants["b"].Binaries.Quarantined = map[string]int64{"y": 1} })
	f("orphans", true, func(s *Status) {
		s.Tenants[""] = &TenantTotals{Binaries: &BinaryCounts{Orphans: &OrphanTotals{Objects: 1, Bytes: 5, Newer: 1, NewerBytes: 2}}}
		s.Tenants["a"].Binaries.Orphans = &OrphanTotals{Objects: 2, Bytes: 6}
		s.Binaries.Orphans = &OrphanTotals{Objects: 3, Bytes: 11, Newer: 1, NewerBytes: 2}
	})
	f("an orphan of no tenant", false, func(s *Status) { s.Binaries.Orphans = &OrphanTotals{Objects: 3} })
	f("tenants of an earlier release", true, func(s *Status) { s.Tenants = map[string]*TenantTotals{"a": {}} })
	f("no tenants", true, func(s *Status) { s.Tenants = nil })
}
