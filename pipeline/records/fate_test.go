package records_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// version is one row of a table: Patient id at version vid.
func version(id string, vid int, status string, more ...string) string {
	extra := ""
	for _, m := range more {
		extra += "," + m
	}
	return fmt.Sprintf(`{"Item":{"resourceType":{"S":"Patient"},"id":{"S":%q},"vid":{"N":"%d"},"meta":{"M":{`+
		`"versionId":{"S":"%[2]d"},"lastUpdated":{"S":"2026-01-%02[2]dT00:00:00.000Z"}}},"documentStatus":{"S":%q}%s}}`,
		id, vid, status, extra)
}

// TestFates: what a filter, a defect or an open transaction does to the last
// version decides whether a resource counts as deleted, never the tag alone. A
// version that was pending is told of (WE15).
func TestFates(t *testing.T) {
	const bad = `"multipleBirthInteger":{"N":"none"}`
	f := func(name string, rows []string, shape func(*records.Options), want metrics.LedgerTotals, lines ...string) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := generate.WriteObjects(dir, [][]string{rows}); err != nil {
				t.Fatal(err)
			}
			j := newJob(t, dir)
			if shape != nil {
				shape(&j.Options)
			}
			s := j.MustRun(t).Status()
			if told, pending := s.Types["Patient"].Filtered["pending"], strings.Count(strings.Join(rows, ""), `"PENDING"`); told != int64(pending) {
				t.Errorf("%d of %d pending versions are told of", told, pending)
			}
			got := *s.Ledger
			got.Bytes, got.Entries = 0, 0
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if got := writtenIDs(t, j.Sink); !slices.Equal(got, lines) {
				t.Errorf("written %v, want %v", got, lines)
			}
		})
	}
	history := []string{version("a", 1, "DELETED"), version("a", 2, "DELETED"), version("a", 3, "AVAILABLE")}
	f("superseded versions are not deletes", history, nil,
		metrics.LedgerTotals{Resources: 1}, "a/1", "a/2", "a/3")
	f("live v3 cut off by until", history, func(o *records.Options) { o.Convert.Until = "2026-01-02T12:00:00Z" },
		metrics.LedgerTotals{Resources: 1, Unsettled: 1}, "a/1", "a/2")
	gone := []string{version("a", 1, "AVAILABLE"), version("a", 2, "DELETED")}
	f("truly deleted", gone, nil,
		metrics.LedgerTotals{Resources: 1, Deleted: 1}, "a/1", "a/2")
	f("v2 DELETED left out by deleted: false", gone, func(o *records.Options) { o.Convert.Deleted = false },
		metrics.LedgerTotals{Resources: 1, Unsettled: 1}, "a/1")
	f("quarantined top version", []string{version("a", 1, "DELETED"), version("a", 2, "AVAILABLE", bad)}, nil,
		metrics.LedgerTotals{Resources: 1, Unsettled: 1}, "a/1")
	f("PENDING top version", []string{version("a", 1, "LOCKED"), version("a", 2, "PENDING")}, nil,
		metrics.LedgerTotals{Resources: 1}, "a/1")
	f("PENDING above a delete", []string{version("a", 1, "AVAILABLE"), version("a", 2, "DELETED"), version("a", 3, "PENDING")}, nil,
		metrics.LedgerTotals{Resources: 1, Deleted: 1}, "a/1", "a/2")
	f("the same version twice", []string{version("a", 1, "AVAILABLE"), version("a", 1, "AVAILABLE")}, nil,
		metrics.LedgerTotals{Resources: 1, Duplicates: 1}, "a/1", "a/1")
	f("a hole", []string{version("a", 1, "DELETED"), version("a", 3, "AVAILABLE")}, nil,
		metrics.LedgerTotals{Resources: 1, VersionHoles: 1}, "a/1", "a/3")
	f("since", history, func(o *records.Options) { o.Convert.Since = "2026-01-02T00:00:00Z" },
		metrics.LedgerTotals{Resources: 1}, "a/3")
	f("types", history, func(o *records.Options) { o.Convert.Types = []string{"Observation"} },
		metrics.LedgerTotals{Resources: 1, Unsettled: 1})
}

// TestOtherTenantsLeaveNoTrace: not even an id of another tenant is written.
func TestOtherTenantsLeaveNoTrace(t *testing.T) {
	rows := make([]string, 0, 2)
	for _, tenant := range []string{"ours", "theirs"} {
		rows = append(rows, version(tenant+"|id-of-"+tenant, 1, "AVAILABLE",
			fmt.Sprintf(`"_tenantId":{"S":%q},"_id":{"S":"id-of-%[1]s"}`, tenant)))
	}
	dir := t.TempDir()
	if _, err := generate.WriteObjects(dir, [][]string{rows}); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, dir)
	j.Options.Convert.Tenant = "ours"
	s := j.MustRun(t).Status()
	if s.Ledger.Entries != 1 || s.Filtered() != 1 {
		t.Errorf("%d entries, %d filtered", s.Ledger.Entries, s.Filtered())
	}
	if got := writtenIDs(t, j.Sink); !slices.Equal(got, []string{"id-of-ours/1"}) {
		t.Errorf("written %v", got)
	}
}

// writtenIDs lists id/version of every resource in the sink.
func writtenIDs(t *testing.T, sink string) (ids []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sink, "v*", "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var r struct {
				ID   string
				Meta struct{ VersionID string }
			}
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID+"/"+r.Meta.VersionID)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(ids)
	return ids
}
