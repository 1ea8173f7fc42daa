package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
)

var update = flag.Bool("update", false, "rewrite golden files")

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func context() Context {
	return Context{State: "state", Output: "out/clinic-a"}
}

// writeText writes what every job has: a report without target and runs.
func writeText(out io.Writer, s *metrics.Status, c Context) error {
	p := &printer{}
	p.body(s, Summarize(s, c), func() {})
	_, err := io.WriteString(out, p.String())
	return err
}

// done is a job with something in every section.
func done() *metrics.Status {
	return &metrics.Status{
		Job: "clinic-a", Phase: metrics.PhaseDone, Exit: 3, Source: "s3://bulk/export", Sink: "out",
		ExportTime: now.Add(-24 * time.Hour), Updated: now.Add(-3 * time.Second), LastCut: now.Add(-3 * time.Second), Elapsed: 754,
		Objects: 16, ObjectsDone: 16, InputBytes: 45_600_000_000, InputBytesDone: 45_600_000_000, InflatedBytes: 410_000_000_000,
		Types: map[string]*metrics.TypeTotals{
			"Observation": {
				Read: 1_200_000, Written: 1_199_000, BytesWritten: 1_100_000_000,
				Filtered: map[string]int64{"pending": 400, "after-until": 589}, Quarantined: map[string]int64{"bad-number": 11},
			},
			"Patient": {
				Read: 4000, Written: 3999, BytesWritten: 4_000_000, Quarantined: map[string]int64{"over-file-cap": 1},
				Mentions: metrics.Mentions{AbsoluteReferences: 21, VersionedReferences: 1, ActiveSubscriptions: 2},
			},
			"unreadable": {Read: 2, Quarantined: map[string]int64{"not-json": 2}},
		},
		Files: 14, FilesSealed: 14, Folders: map[string]int{"v1": 2, "v2": 1, "v10": 1},
		LockedAges: map[string]int64{"<1m": 3, ">=1d": 1}, UnknownAttributes: map[string]int64{"_custom": 12}, NoLastUpdated: 2,
		Ledger: &metrics.LedgerTotals{
			Entries: 1_204_000, Bytes: 90_300_000, Resources: 400_000, Deleted: 1200, Unsettled: 12,
			Ambiguous: 1, Duplicates: 2, VersionHoles: 3, Unidentified: 2,
		},
		Retries: map[string]int64{"throttled": 4},
	}
}

func TestGolden(t *testing.T) {
	moving := done()
	moving.Phase, moving.Exit, moving.Ledger = metrics.PhaseMoving, 0, nil
	moving.InputBytesDone, moving.ObjectsDone, moving.OpenFiles, moving.WaitingFor = 12_300_000_000, 3, 150, "sink"
	moving.StateFree = 80_000_000_000
	failed := done()
	failed.Phase, failed.Exit, failed.Error, failed.Hint = metrics.PhaseFailed, 7, "stage data/x.json.gz: wrong MD5", "copy the object again"
	tenants := done()
	tenants.Tenants = map[string]*metrics.TenantTotals{
		"":       {Read: 2, Quarantined: 2, Ledger: &metrics.LedgerTotals{Unidentified: 2}},
		"clinic": {Read: 1_200_000, Written: 1_199_000, Filtered: 989, Quarantined: 11, BytesWritten: 1_100_000_000, Folders: 3, Ledger: &metrics.LedgerTotals{Unsettled: 12}},
		"annex":  {Read: 4000, Written: 3999, Quarantined: 1, BytesWritten: 4_000_000, Folders: 1, Ledger: &metrics.LedgerTotals{}},
	}
	all := context()
	all.Tenant = "out/<tenant>/clinic-a"
	unbalanced := done()
	unbalanced.Types["Patient"].Written--
	clean := &metrics.Status{
		Job: "clean", Phase: metrics.PhaseDone, Source: "export", Sink: "out", Updated: now,
		Types: map[string]*metrics.TypeTotals{"Patient": {Read: 1, Written: 1}},
	}
	running := context()
	running.Running, running.PID = true, "4711"
	for name, c := range map[string]struct {
		status  *metrics.Status
		context Context
		exit    int
	}{
		"done": {done(), context(), 0}, "moving": {moving, running, 0}, "killed": {moving, context(), 0},
		"failed": {failed, context(), 0}, "unbalanced": {unbalanced, context(), 4}, "clean": {clean, context(), 0},
		"tenants": {tenants, all, 0},
	} {
		var text bytes.Buffer
		if err := writeText(&text, c.status, c.context); err != nil {
			t.Fatal(err)
		}
		text.WriteString("\n=== status\n")
		if err := Brief(&text, c.status, c.context, now); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.Bytes())
		sum := Summarize(c.status, c.context)
		if sum.ExitCode() != c.exit {
			t.Errorf("%s: exit %d", name, sum.ExitCode())
		}
		if name == "done" {
			data, err := json.MarshalIndent(sum, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", append(data, '\n'))
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look, and run with -update if it is meant:\n%s", name, got)
	}
}

// TestEachReasonIsExplained: an operator never meets a bare code.
func TestEachReasonIsExplained(t *testing.T) {
	for _, reason := range pipeline.Reasons() {
		if Meaning(reason.String()) == "" {
			t.Errorf("%s is not explained", reason)
		}
	}
	if len(meanings) != len(pipeline.Reasons()) {
		t.Errorf("%d explanations of %d reasons", len(meanings), len(pipeline.Reasons()))
	}
}

func TestAttributesAreBounded(t *testing.T) {
	s := done()
	for _, c := range "abcdefghijklm" {
		s.UnknownAttributes[string(c)] = 1
	}
	var text bytes.Buffer
	if err := writeText(&text, s, context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "and 4 more (--json shows all)") {
		t.Error(text.String())
	}
}
