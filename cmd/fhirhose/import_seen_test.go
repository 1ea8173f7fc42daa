package main

import (
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// TestImportIsSeen: status.json tells of the import while it runs, and after its end
// of the move again, with what was imported.
func TestImportIsSeen(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{Refuse: func(key string, body []byte) string {
		if strings.HasSuffix(key, "-2") && strings.Contains(string(body), `"multipleBirthInteger":3`) {
			return "because of " + recordstest.Canary
		}
		return ""
	}}).moved()
	saw := ""
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op != "DescribeFHIRImportJob" || c.N > 1 {
				return healthlaketest.NoFault
			}
			for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if s, err := metrics.ReadStatus(r.dir + "/state"); err == nil && s.Phase == metrics.PhaseImporting && s.Import.Folders == 4 {
					saw = string(s.Phase)
					break
				}
			}
			return healthlaketest.NoFault
		}
	})
	r.run(3, "import", "--target.healthlake.on_import_error=continue")
	if saw == "" {
		t.Error("status.json told of no import")
	}
	s, err := metrics.ReadStatus(r.dir + "/state")
	if err != nil {
		t.Fatal(err)
	}
	want := metrics.ImportTotals{Folders: 4, FoldersDone: 4, Resources: lines, Scanned: lines, Imported: lines - 1, Refused: 1, Stale: 1}
	if s.Phase != metrics.PhaseDone || s.Import == nil || *s.Import != want || s.Read() == 0 {
		t.Errorf("%s, %+v, %d records", s.Phase, s.Import, s.Read())
	}
	for verb, code := range map[string]int{"status": 0, "report": exitDifference} { // stale is not safe
		r.run(code, verb)
		r.says("done: every record is accounted for", "4 of 4 folders done; 16 imported, 1 refused, 1 stale in the target")
	}
}

// TestImportSeenNow: a folder under way counts as far as the target tells, and a
// target that does not answer is told of.
func TestImportSeenNow(t *testing.T) {
	s := &importSeen{observation: newObservation(&jobfile.Job{Name: "a", State: t.TempDir()})}
	s.watch(s)
	s.took(&importSummary{importCounts: importCounts{Imported: 5}, Stores: []importStore{{Folders: []importFolder{{Lines: 5, Done: true}, {Lines: 7}}}}})
	s.saw("x/v2-0", importing.Job{State: importing.Running, Scanned: 4, Imported: 3, Failed: 1})
	s.waiting("import of x/v2-0")
	got := s.status()
	want := metrics.ImportTotals{Folders: 2, FoldersDone: 1, Resources: 12, Scanned: 9, Imported: 8, Refused: 1, Folder: "x/v2-0", State: "running"}
	if *got.Import != want || got.Phase != metrics.PhaseImporting || got.WaitingFor == "" || !got.Ready(time.Now()) {
		t.Errorf("%+v, %s, waits for %q", got.Import, got.Phase, got.WaitingFor)
	}
	s.answer = s.answer.Add(-silence - time.Minute)
	if got = s.status(); got.Ready(time.Now()) {
		t.Error("ready, although nobody answers")
	}
}
