package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// judged runs a report in all forms, none of which holds a value (I10), and returns
// the codes of what stands against cutting over.
func (r *importRig) judged(args ...string) (codes []string) {
	r.Helper()
	page := filepath.Join(r.dir, "report.html")
	code := r.end(append([]string{"report", "--json", "--html", page}, args...)...)
	var d report.Document
	if err := json.Unmarshal(r.out.Bytes(), &d); err != nil {
		r.Fatalf("exit %d, %v: %s", code, err, r.out.String()+r.err.String())
	}
	for _, o := range d.Open {
		codes = append(codes, o.Code)
	}
	if *d.Cutover != (len(codes) == 0) || (code == 0) != *d.Cutover || code != 0 && code != 4 {
		r.Errorf("exit %d: %v %v", code, *d.Cutover, codes)
	}
	html, err := os.ReadFile(page)
	if err != nil || recordstest.HoldsCanary(html) || bytes.Contains(html, []byte(healthlaketest.ServerText)) {
		r.Errorf("%v, the page tells a value", err)
	}
	if info, err := os.Stat(page); err != nil || info.Mode().Perm() != 0o600 {
		r.Error(info.Mode(), err)
	}
	first := "SAFE TO CUT OVER: yes"
	if len(codes) > 0 {
		first = "SAFE TO CUT OVER: no"
	}
	r.run(code, append([]string{"report"}, args...)...)
	if !strings.HasPrefix(r.out.String(), first+"\n") || !bytes.Contains(html, []byte(first)) {
		r.Errorf("not first: %s", first)
	}
	return codes
}

// TestCutover: from a move to a proven migration each step takes its points away,
// and what comes after makes them come back.
func TestCutover(t *testing.T) {
	r := &verifyRig{importRig: newImportRig(t, healthlaketest.Traps{})}
	r.jobFile += "verify: {export_to: \"s3://bucket/verified\", requests_per_second: 10000}\n"
	r.export(verifyRows())
	step := func(want ...string) {
		t.Helper()
		if got := r.judged(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	r.run(2, "report")
	r.run(0, "move")
	step("import-unfinished", "deletes-unfinished", "not-verified")
	r.run(0, "import")
	step("not-verified")
	r.run(0, "verify", "--mode", "counts")
	step("not-verified")
	r.run(0, "verify")
	step()
	r.run(0, "report")
	r.says("imported   ", "deletes    2 applied", "mode export, ", "passed", "Audit log", "the chain is whole")

	// A process at work: what it may be doing is not known.
	lock, err := statedir.Take(filepath.Join(r.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	step("not-known")
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}

	// Somebody changes the store: the next verification finds it.
	r.later.Store(int64(2 * time.Minute))
	if r.store, err = healthlake.Open(t.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID, RequestsPerSecond: 10000}); err != nil {
		t.Fatal(err)
	}
	r.change(patient(1), `"multipleBirthInteger":3`, `"multipleBirthInteger":9`)
	r.run(4, "verify", "--again")
	step("verification-found")
}

// TestTargetsClockGoesBack: what is sent after a verification makes it void, whatever
// the data store says of the time.
func TestTargetsClockGoesBack(t *testing.T) {
	rig, f := newReplayRig(t)
	r := newVerifyRigOf(rig, healthlaketest.DatastoreID)
	r.run(4, "verify", "--mode", "counts")
	f.mend()
	r.later.Store(int64(-time.Minute))
	void := func(want bool) {
		t.Helper()
		r.run(4, "report", "--json")
		var d report.Document
		if err := json.Unmarshal(r.out.Bytes(), &d); err != nil || (d.Target.Stores[0].Checks[0].Void != "") != want {
			t.Errorf("%+v, %v", d.Target, err)
		}
	}
	void(false)
	r.run(3, "quarantine", "replay")
	void(true)
	r = newVerifyRig(t, healthlaketest.Traps{})
	r.run(0, "verify", "--mode", "counts")
	r.later.Store(int64(-time.Minute))
	last := strings.TrimSpace(string(r.memory.Objects()["out/a/v2-0/Encounter-v2-00000.ndjson"]))
	r.send("PUT", "Encounter/"+recordstest.Canary+"-103", last)
	void(false)
	r.run(0, "import", "--again", "deletes")
	r.says("deletes   1 applied")
	void(true)
}

// TestCutoverWithoutStatus: status.json is for operators. What was quarantined or is
// unsettled stands in the checkpoint, and a status that was lost, or written anew by
// a verification, takes no point away.
func TestCutoverWithoutStatus(t *testing.T) {
	r := &verifyRig{importRig: newImportRig(t, healthlaketest.Traps{})}
	r.jobFile += verifySettings + "on_quarantine: continue\n"
	r.export(append(verifyRows(), `{"Item":{"nobody":{"S":"knows"}}}`))
	r.run(3, "move")
	r.run(0, "import")
	if err := os.Remove(filepath.Join(r.dir, "state", metrics.StatusFile)); err != nil {
		t.Fatal(err)
	}
	r.run(0, "verify")
	if got, want := r.judged(), []string{"quarantined"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r.says("1 record quarantined", "Patient")
}

// TestReportWithIDs: ids come only when they are asked for, and the first line says
// so.
func TestReportWithIDs(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.later.Store(int64(2 * time.Minute))
	r.change(patient(1), `"multipleBirthInteger":3`, `"multipleBirthInteger":9`)
	r.run(4, "verify")
	r.judged()
	page := filepath.Join(r.dir, "phi.html")
	out := r.sayIDs("report", "--with-ids", "--html", page)
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"text": out, "page": string(html)} {
		if !strings.Contains(text, patient(1)) || !strings.Contains(text, "Patient.multipleBirthInteger: changed digits") || !strings.Contains(text, "THIS DOCUMENT HOLDS PHI") {
			t.Errorf("the %s has no id: %s", name, text)
		}
	}
	if !strings.HasPrefix(out, "THIS DOCUMENT HOLDS PHI: ids of resources\nSAFE TO CUT OVER: no\n") {
		t.Error(out)
	}
}

// sayIDs runs a verb that may say ids.
func (r *importRig) sayIDs(args ...string) string {
	var out lockedBuffer
	run(r.Context(), process{
		args: append(args, "-c", filepath.Join(r.dir, "fhirhose.yaml")), stdin: strings.NewReader(""), stdout: &out, stderr: &out,
		setenv: os.Setenv, environ: os.Environ(), signals: r.signals, open: openMover, importPause: time.Millisecond,
	})
	return out.String()
}

// TestReportOfTenants: each tenant is judged by itself.
func TestReportOfTenants(t *testing.T) {
	r := newTenantsRig(t, healthlaketest.Traps{})
	r.run(0, "move")
	if got, want := r.judged(), []string{"import-unfinished", "import-unfinished", "deletes-unfinished", "deletes-unfinished", "not-verified", "not-verified"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	r.says("tenant clinic-a: ", "tenant clinic_B: ", "Target: tenant clinic-a: data store "+healthlaketest.DatastoreID)
	r.run(0, "import")
	if got, want := r.judged(), []string{"not-verified", "not-verified"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestReportOfABrokenLog: evidence that was tampered with is a point of its own.
func TestReportOfABrokenLog(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.moved()
	path := filepath.Join(r.dir, "state", audit.File)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(content, []byte(`"verb":"move"`), []byte(`"verb":"none"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.judged(); !slices.Contains(got, "audit-broken") {
		t.Errorf("got %v", got)
	}
	r.says("BROKEN: the audit log is not as it was written: line 2 does not hold the SHA-256 of the line before it")
}

// TestReportOfStale: what HealthLake serves in an older version comes first, by count
// alone, and by id where ids are asked for.
func TestReportOfStale(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{Refuse: func(key string, body []byte) string {
		if strings.HasSuffix(key, "-2") && strings.Contains(string(body), `"multipleBirthInteger":3`) {
			return "because of " + recordstest.Canary
		}
		return ""
	}}).moved()
	r.run(3, "import", "--target.healthlake.on_import_error=continue")
	if got, want := r.judged(), []string{"stale-in-target", "ambiguous", "refused", "not-verified"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	r.says("SAFE TO CUT OVER: no\n  - 1 resource stale in target", "fhirhose quarantine replay")
	if out := r.sayIDs("report", "--with-ids"); !strings.Contains(out, "import: stale in target "+patient(2)+", version 3, ") {
		t.Error(out)
	}
	notes := 0
	for _, e := range entries(t, r.dir) {
		if e.Note != nil && e.Verb == "import" && bytes.Contains(e.Note.Value, []byte(`"stale":1`)) {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("%d notes of it", notes)
	}
}

// TestDistrust: where the data store does not tell when an import ended, our own log
// must tell that none came after the verification.
func TestDistrust(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	run := func(verb string, began time.Time) report.Run { return report.Run{Verb: verb, Began: began} }
	f := func(void bool, changed time.Time, broken string, runs ...report.Run) {
		t.Helper()
		target := &report.Target{Stores: []report.Store{{Changed: changed, Checks: []report.Check{{Mode: "export", Begun: at}}}}}
		distrust(target, &report.Audit{Runs: runs, Broken: broken})
		if got := target.Stores[0].Checks[0].Void; (got != "") != void {
			t.Errorf("%q", got)
		}
	}
	before, after := at.Add(-time.Hour), at.Add(time.Hour)
	f(false, at, "") // it tells
	f(false, time.Time{}, "", run("import", before), run("verify", after))
	f(false, time.Time{}, "", run("migrate", before)) // which verified, too
	f(true, time.Time{}, "", run("import", before), run("quarantine replay", after))
	f(true, time.Time{}, "")
	f(true, time.Time{}, "line 3", run("import", before))
}

// TestReportOfRefused: reasons are counted, and nothing but a code is repeated.
func TestReportOfRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v1-0.failures.ndjson")
	text := `{"reason":"validation","raw":"` + canary + `"}` + "\n" + `{"reason":"validation"}` + "\n" + `{"reason":"` + canary + ` has no name"}` + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var counts map[string]int64
	if err := countRefused(path, 5, &counts); err != nil || counts["validation"] != 2 || counts["other"] != 1 || counts["untold"] != 2 || len(counts) != 3 {
		t.Errorf("%v %v", counts, err)
	}
	if err := os.WriteFile(path, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := countRefused(path, 1, &counts); err == nil || strings.Contains(err.Error(), canary) {
		t.Error(err)
	}
}
