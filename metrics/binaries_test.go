package metrics

import (
	"testing"
	"time"
)

// movedBinaries differs in everything from a job without Binaries.
func movedBinaries() *BinaryTotals {
	return &BinaryTotals{
		Objects: 1, Bytes: 2, Rows: 3, Written: 4, BytesWritten: 5, ContentBytes: 6,
		Quarantined: map[string]int64{"bad-id": 7}, Erased: 8, Recovered: 9,
		Fetched: 10, InFlight: 11, Waiting: 12, WaitingBytes: 18, WaitSeconds: 13,
		Orphans: &OrphanTotals{
			Objects: 14, Bytes: 15, Oldest: noon.Add(-time.Hour), Newest: noon.Add(-time.Minute), Newer: 16, NewerBytes: 17,
		},
	}
}

// TestReasonsOfBinariesAreClosed: what no list knows is no label (I10).
func TestReasonsOfBinariesAreClosed(t *testing.T) {
	s := Status{Binaries: &BinaryTotals{Quarantined: map[string]int64{"canary": 2, "bad-id": 1}}}
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
