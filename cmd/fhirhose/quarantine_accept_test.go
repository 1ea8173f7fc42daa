package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/acceptance"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// newAcceptRig has rows more than verifyRows.
func newAcceptRig(t *testing.T, refused map[int][]int, rows ...string) (*verifyRig, *refusals) {
	t.Helper()
	f := &refusals{versions: refused}
	r := newImportRig(t, healthlaketest.Traps{Refuse: f.refuse})
	r.jobFile += verifySettings
	r.export(append(verifyRows(), rows...))
	return newVerifyRigOf(r, healthlaketest.DatastoreID), f
}

// broken is a row of a patient that nobody can move.
func broken(n int, replace ...string) string {
	return recordstest.CanaryRow(n, append(replace, `{"N":"3"}`, `{"N":"`+recordstest.Canary+`"}`)...)
}

func (r *importRig) accept(want int, more ...string) {
	r.Helper()
	r.run(want, append([]string{"quarantine", "accept", "--yes", "--by", "Jane Roe", "--because", "ticket 4711"}, more...)...)
}

// book is what the checkpoint holds.
func (r *importRig) book() acceptance.Book {
	r.Helper()
	store, err := checkpoint.Reopen(filepath.Join(r.dir, "state", checkpointFile))
	if err != nil {
		r.Fatal(err)
	}
	book, err := acceptance.Load(store)
	if err := errors.Join(err, store.Close()); err != nil {
		r.Fatal(err)
	}
	return book
}

// acceptedNotes are those of the audit log.
func (r *importRig) acceptedNotes() (all []*audit.Note) {
	r.Helper()
	for _, e := range entries(r.T, r.dir) {
		if e.Note != nil && e.Note.Key == "accepted" {
			all = append(all, e.Note)
		}
	}
	return all
}

// TestAcceptQuarantined: records that are broken in the source keep a migration from
// its end until somebody says who goes on without them, and why. Then it comes to its
// end, and every report says so.
func TestAcceptQuarantined(t *testing.T) {
	r, _ := newAcceptRig(t, nil, broken(7), recordstest.Canary+" is not JSON")
	r.accept(2) // nothing is moved
	r.run(3, "migrate")
	r.says("2 records quarantined: could not be moved", "or go on without them: fhirhose quarantine accept -c")
	r.run(3, "import")
	r.says("the move has quarantined 2 records", "`fhirhose quarantine accept`")
	if r.starts() > 0 {
		t.Fatal("it was imported")
	}
	for _, slip := range [][]string{{"--by", "J"}, {"--because", "x"}, {"--by", "J", "--because", "two\nlines"}, {"--by", " ", "--because", "x"}, {"--by", "J", "--because", strings.Repeat("x", 501)}} {
		before := len(entries(t, r.dir))
		r.run(2, append([]string{"quarantine", "accept", "--yes"}, slip...)...)
		if len(entries(t, r.dir)) != before {
			t.Errorf("%q is in the audit log", slip)
		}
	}
	r.run(2, "quarantine", "accept", "--by", "Jane Roe", "--because", "ticket 4711")
	r.says("2 records that could not be moved, 1 of which nobody can tell whose they are", "1  Patient              bad-number", "it must name no patient",
		"nobody answered, nothing was accepted")
	if len(r.book()) > 0 || r.acceptedNotes() != nil {
		t.Error("it was accepted without a yes")
	}
	r.accept(0)
	r.says("accepted: 2 records that could not be moved", "accepted by Jane Roe (unknown: the services are not those of AWS, ", "because ticket 4711")
	was := *r.book()[acceptance.Quarantined]
	var noted []acceptance.Acceptance
	notes := r.acceptedNotes()
	if err := json.Unmarshal(notes[0].Value, &noted); err != nil || len(notes) != 1 || len(noted) != 1 || noted[0].SHA256 != was.SHA256 || len(was.SHA256) != 64 || was.Records != 2 || was.Unread != 1 {
		t.Errorf("%v, %+v, kept %+v", err, noted, was)
	}
	r.run(0, "quarantine", "accept", "--by", "Somebody Else", "--because", "another reason", "--json")
	r.says(`"by":"Jane Roe"`)
	if again := r.book()[acceptance.Quarantined]; again.By != "Jane Roe" || !again.At.Equal(was.At) || len(r.acceptedNotes()) != 1 {
		t.Errorf("%+v", again)
	}
	if got := r.judged(); slices.Contains(got, "quarantined") || slices.Contains(got, "unsettled") || !slices.Contains(got, "not-verified") {
		t.Errorf("%v", got)
	}
	r.says("accepted so far: without 2 records")
	r.run(0, "migrate")
	r.says("1 resource not as they should be, of which 1 accepted", "SAFE TO CUT OVER: yes\n  without 2 records that could not be moved, 1 of which nobody can tell whose they are", "passed; 1 resource found, and accepted")
	if got := r.judged(); got != nil {
		t.Errorf("%v", got)
	}
	n := r.exports()
	r.run(0, "migrate")
	if r.exports() != n {
		t.Error("what is accepted was verified again")
	}
	for _, mode := range []string{"counts", "full", "history"} {
		r.run(0, "verify", "--mode", mode, "--verify.sample", "100%")
	}
	r.run(0, "report", "--json")
	var d report.Document
	if err := json.Unmarshal(r.out.Bytes(), &d); err != nil || len(d.Target.Accepted) != 1 || d.Target.Accepted[0].By != "Jane Roe" || !d.Balanced || d.Totals.Quarantined != 2 {
		t.Errorf("%v, %+v", err, d.Target)
	}
	r.run(4, "clean", "--yes") // that they may be left out is not that they may be lost
	r.says("2 records could not be moved", "clean --quarantine")
	r.run(0, "clean", "--yes", "--quarantine")
	r.says("complete: nothing", "accepted: 2 records that could not be moved")
}

// TestAcceptedHidesNothing: what is missing for another cause, or served in an earlier
// version, stands against cutting over and removing, whatever is accepted.
func TestAcceptedHidesNothing(t *testing.T) {
	r, _ := newAcceptRig(t, nil, broken(7))
	r.run(3, "move")
	r.accept(0)
	r.run(0, "import")
	r.send("DELETE", patient(1), "") // one is missing that somebody removed, one for it was never sent
	for _, mode := range []string{"export", "full", "counts", "history"} {
		r.run(4, "verify", "--mode", mode, "--verify.sample", "100%")
	}
	if got := r.judged(); len(got) != 4 || slices.ContainsFunc(got, func(code string) bool { return code != "verification-found" }) {
		t.Errorf("%v", got)
	}
	r.run(4, "clean", "--yes", "--quarantine")
	r.says("found 1 resources that need attention")

	r, _ = newAcceptRig(t, nil, broken(1, `"vid":{"N":"1"}`, `"vid":{"N":"4"}`)) // the store has its version 3
	r.run(3, "move")
	r.accept(0)
	r.run(0, "import")
	r.run(4, "verify")
	if got, want := r.judged(), []string{"stale-in-target", "verification-found"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r.run(4, "clean", "--yes", "--quarantine")
}

// TestAcceptRefused: what HealthLake has refused, and whose last version is in or of
// which nothing is, somebody may go on without. What changes afterwards is not covered.
func TestAcceptRefused(t *testing.T) {
	r, f := newAcceptRig(t, map[int][]int{1: {2}, 2: {1}, 4: {1, 2, 3}})
	r.moved().run(3, "import", goOn)
	r.run(4, "verify")
	if got, want := r.judged(), []string{"refused", "verification-found"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r.accept(0)
	r.says("accepted: 5 resources that HealthLake has refused, accepted by Jane Roe")
	if got := r.judged(); got != nil { // the same verification: what it found is accepted
		t.Errorf("%v", got)
	}
	for _, mode := range []string{"export", "counts", "full", "history"} {
		r.run(0, "verify", "--mode", mode, "--verify.sample", "100%")
	}
	if got := r.judged(); got != nil {
		t.Errorf("%v", got)
	}
	r.run(0, "import") // on_import_error: stop
	f.mu.Lock()
	delete(f.versions, 4)
	f.mu.Unlock()
	r.run(3, "quarantine", "replay")
	if got, want := r.judged(), []string{"refused", "not-verified"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r.says("; what Jane Roe accepted at ", "does not cover this: it is not the same any more: 2 resources that HealthLake has refused")
	r.run(3, "import")
	r.run(0, "verify")
	r.accept(0)
	if got := r.judged(); got != nil {
		t.Errorf("%v", got)
	}
	if n := len(r.acceptedNotes()); n != 2 {
		t.Errorf("%d notes", n)
	}
}

// TestAcceptNeverStale: an earlier version than the last in the data store is nothing
// that anybody may accept; nor is anything else then.
func TestAcceptNeverStale(t *testing.T) {
	r, _ := newAcceptRig(t, map[int][]int{1: {3}}, broken(7))
	r.run(3, "move")
	r.run(3, "import", goOn, "--on_quarantine=continue")
	r.accept(4)
	r.says("of 1 resource the data store serves an earlier version, which may not be accepted: nothing was accepted", "quarantine replay")
	if len(r.book()) > 0 || r.acceptedNotes() != nil {
		t.Errorf("%v", r.book())
	}
	if got := r.judged(); !slices.Contains(got, "stale-in-target") || !slices.Contains(got, "quarantined") {
		t.Errorf("%v", got)
	}
}

// TestAcceptWhileImporting: an import that has stopped at refused resources goes on
// once they are accepted, and stops at the next ones.
func TestAcceptWhileImporting(t *testing.T) {
	r, _ := newAcceptRig(t, map[int][]int{1: {1}, 2: {2}})
	r.moved().run(3, "import")
	r.run(3, "import")
	if n := r.starts(); n != 2 { // Binary-v1-0, v1-0
		t.Errorf("%d folders were sent", n)
	}
	r.accept(0)
	r.run(3, "import")
	if n := r.starts(); n != 3 {
		t.Errorf("%d folders were sent", n)
	}
	r.run(3, "import")
	r.accept(0)
	r.run(0, "import")
	r.run(0, "verify")
	if got := r.judged(); got != nil {
		t.Errorf("%v", got)
	}
	r.says("without 2 resources that HealthLake has refused")
}

// TestAcceptOfTenants: what was quarantined is the job's, what was refused each
// tenant's own.
func TestAcceptOfTenants(t *testing.T) {
	r := newTenantsRig(t, healthlaketest.Traps{Refuse: refuseSecond("-1")}).moved()
	r.run(3, "import", goOn)
	r.accept(0)
	r.says("tenant clinic-a: 1 resource that HealthLake has refused", "tenant clinic_B: 1 resource")
	book := r.book()
	if len(book) != 2 || book["refused/clinic-a"] == nil || book["refused/clinic_B"] == nil || book["refused/clinic-a"].SHA256 == book["refused/clinic_B"].SHA256 {
		t.Errorf("%v", book)
	}
	if got, want := r.judged(), []string{"not-verified", "not-verified"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestAcceptFails at every step in turn: what is accepted stands in the audit log, and
// the same command again brings it to its end.
func TestAcceptFails(t *testing.T) {
	r, _ := newAcceptRig(t, nil, broken(7))
	r.run(3, "move")
	failed := 0
	for at := 1; ; at++ {
		n := 0
		remove := faultpoint.Set(func(string) error {
			if n++; n == at {
				return syscall.EIO
			}
			return nil
		})
		code := r.end("quarantine", "accept", "--yes", "--by", "Jane Roe", "--because", "ticket 4711")
		remove()
		if len(r.book()) > 0 && r.acceptedNotes() == nil {
			t.Fatalf("step %d: accepted, and untold", at)
		}
		if code == 0 && n < at {
			break
		}
		failed++
	}
	if failed < 3 || len(r.book()) != 1 {
		t.Errorf("%d failures, %v", failed, r.book())
	}
	var d report.Document
	r.end("report", "--json")
	if err := json.Unmarshal(r.out.Bytes(), &d); err != nil || slices.ContainsFunc(d.Open, func(o report.Open) bool { return o.Code == "quarantined" }) {
		t.Errorf("%v %+v", err, d.Open)
	}
	if bytes.Contains(r.out.Bytes(), []byte(recordstest.Canary)) {
		t.Error("a value")
	}
}
