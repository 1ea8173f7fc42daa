package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
)

// withBinaries is a finished job with something in every line about Binaries.
func withBinaries() *metrics.Status {
	return &metrics.Status{
		Job: "clinic-a", Phase: metrics.PhaseDone, Exit: 3, Source: "s3://bulk/export", Sink: "out",
		ExportTime: now.Add(-24 * time.Hour), Updated: now,
		Types: map[string]*metrics.TypeTotals{"Binary": {
			Read: 1000, Written: 980, BytesWritten: 6_700_000_000,
			Filtered:    map[string]int64{"pending": 1},
			Quarantined: map[string]int64{"content-missing": 12, "content-ambiguous": 4, "content-changed": 1, "over-file-cap": 2},
		}},
		Binaries: &metrics.BinaryTotals{
			Objects: 1234, Bytes: 5_600_000_000, WaitSeconds: 75,
			BinaryCounts: metrics.BinaryCounts{
				Rows: 999, Written: 980, BytesWritten: 6_700_000_000, ContentBytes: 5_000_000_000,
				Quarantined: map[string]int64{"content-missing": 12, "content-ambiguous": 4, "content-changed": 1, "over-file-cap": 2},
				Erased:      30, Recovered: 5,
				Orphans: &metrics.OrphanTotals{
					Objects: 40, Bytes: 300_000_000, Oldest: now.Add(-900 * 24 * time.Hour), Newest: now.Add(-25 * time.Hour),
					Newer: 7, NewerBytes: 1_000_000,
				},
			},
		},
	}
}

func TestGoldenBinaries(t *testing.T) {
	done := withBinaries()
	moving := withBinaries()
	moving.Phase, moving.Exit = metrics.PhaseMoving, 0
	moving.Binaries = &metrics.BinaryTotals{
		Objects: 1234, Bytes: 5_600_000_000, RecoverDeleted: true, VersionsHidden: true, InFlight: 32, WaitingBytes: 120_000,
		BinaryCounts: metrics.BinaryCounts{
			Rows: 999, Written: 800, ContentBytes: 4_000_000_000, BytesWritten: 5_300_000_000, Erased: 2, Waiting: 199,
		},
	}
	moving.Types["Binary"] = &metrics.TypeTotals{
		Read: 1000, Written: 800, BytesWritten: 5_300_000_000, Filtered: map[string]int64{"pending": 1},
	}
	tenants := withBinaries()
	part := tenants.Binaries.BinaryCounts
	rest := metrics.BinaryCounts{Rows: 9, Written: 7, ContentBytes: 1000, BytesWritten: 1400, Quarantined: map[string]int64{"content-missing": 2}, Erased: 1}
	part.Rows, part.Written, part.ContentBytes, part.BytesWritten, part.Erased = 990, 973, 5_000_000_000-1000, 6_700_000_000-1400, 29
	part.Quarantined = map[string]int64{"content-missing": 10, "content-ambiguous": 4, "content-changed": 1, "over-file-cap": 2}
	own := metrics.BinaryCounts{Orphans: &metrics.OrphanTotals{Objects: 3, Bytes: 100_000_000, Newer: 7, NewerBytes: 1_000_000}}
	part.Orphans, rest.Orphans = &metrics.OrphanTotals{Objects: 37, Bytes: 200_000_000}, &metrics.OrphanTotals{}
	tenants.Tenants = map[string]*metrics.TenantTotals{
		"": {Read: 1, Filtered: 1, Binaries: &own}, "clinic": {Read: 990, Written: 973, Quarantined: 17, Binaries: &part},
		"annex": {Read: 9, Written: 7, Quarantined: 2, Binaries: &rest}, "empty": {},
	}
	for name, s := range map[string]*metrics.Status{"binaries": done, "binaries-moving": moving, "binaries-tenants": tenants} {
		var text bytes.Buffer
		in := context()
		if s.Tenants != nil {
			in.Tenant = "out/<tenant>/clinic-a"
		}
		if err := writeText(&text, s, in); err != nil {
			t.Fatal(err)
		}
		text.WriteString("\n=== status\n")
		if err := Brief(&text, s, in, now); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.Bytes())
	}
	data, err := json.MarshalIndent(Summarize(done, context()), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "binaries.json", append(data, '\n'))
}

// TestOrphansWithoutAge: neither an empty bucket nor an unknown export time
// makes up an age.
func TestOrphansWithoutAge(t *testing.T) {
	for name, c := range map[string]struct {
		change      func(*metrics.Status)
		want, never string
	}{
		"export time unknown": {func(s *metrics.Status) { s.ExportTime = time.Time{} }, "300 MB, from 2023-09-13 to 2026-02-28\n", "when exported"},
		"no orphans":          {func(s *metrics.Status) { s.Binaries.Orphans = &metrics.OrphanTotals{} }, "0  objects that no row names, 0 B\n", "orphans.ndjson"},
		"not counted yet":     {func(s *metrics.Status) { s.Binaries.Orphans = nil }, "recovered", "orphans"},
		"no Binaries":         {func(s *metrics.Status) { s.Binaries = nil }, "It balances", "Binaries"},
	} {
		s := withBinaries()
		c.change(s)
		var text bytes.Buffer
		if err := writeText(&text, s, context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), c.want) || strings.Contains(text.String(), c.never) {
			t.Errorf("%s: got %s", name, &text)
		}
	}
}
