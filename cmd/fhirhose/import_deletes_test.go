package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// history is a Patient of so many versions with these statuses, the first being
// that of version 1.
func history(n int, statuses ...string) (rows []string) {
	for i, status := range statuses {
		v := fmt.Sprint(i + 1)
		row := recordstest.CanaryRow(n, `"vid":{"N":"1"}`, `"vid":{"N":"`+v+`"}`, `{"N":"3"}`, `{"N":"`+v+`"}`)
		rows = append(rows, strings.Replace(row, `"AVAILABLE"`, `"`+status+`"`, 1))
	}
	return rows
}

func patientKey(n int) string { return fmt.Sprintf("Patient/%s-%d", recordstest.Canary, n) }

// newDeletesRig is a moved job of
//   - 20 deleted Patients, 100 to 119, of two versions, both DELETED,
//   - 30 of which an earlier version is DELETED, and one that was made anew,
//   - what every importRig has: a deleted Patient of an id that other types use, and others.
func newDeletesRig(t *testing.T, traps healthlaketest.Traps) *importRig {
	t.Helper()
	rows := history(30, "DELETED", "AVAILABLE")
	rows = append(rows, history(31, "DELETED", "DELETED", "AVAILABLE")...)
	for n := 100; n < 120; n++ {
		rows = append(rows, history(n, "DELETED", "DELETED")...)
	}
	r := newImportRig(t, traps, rows...)
	r.jobFile = strings.Replace(importJobFile, "kms_key: key", "kms_key: key, bundle_size: 3, requests_per_second: 1000", 1)
	return r.moved()
}

func (r *importRig) current() []string {
	return slices.Sorted(maps.Keys(r.simulation.Current(healthlaketest.DatastoreID)))
}

// alive are the resources that must be in the store at the end.
func alive(more ...int) []string {
	keys := []string{"Binary/" + recordstest.Canary + "-0", "Observation/" + recordstest.Canary + "-0"}
	for _, n := range append([]int{0, 1, 2, 3, 4, 30, 31}, more...) {
		keys = append(keys, patientKey(n))
	}
	slices.Sort(keys)
	return keys
}

func (r *importRig) holds(want []string) {
	r.Helper()
	if got := r.current(); !slices.Equal(got, want) {
		r.Errorf("the store holds %d resources, want %d:\n%q\n%q", len(got), len(want), got, want)
	}
	for _, violation := range r.simulation.Violations() {
		r.Error(violation)
	}
}

// TestImportDeletes (WI9, WV1): after the last folder, and not before, exactly what
// is deleted in the source is deleted in the store; superseded versions delete
// nothing, and an ambiguous id stays. A second run sends nothing.
func TestImportDeletes(t *testing.T) {
	r := newDeletesRig(t, healthlaketest.Traps{})
	r.run(0, "import")
	r.says("deletes   20 applied, 0 were gone already", "stay      1: another type uses the same id", "deletes-1.ndjson (PHI)")
	r.holds(alive())
	calls := r.simulation.Calls()
	if calls["batch"] != 2*7 { // 20 in bundles of 3, to look and to delete
		t.Errorf("%d batches", calls["batch"])
	}
	for n := 100; n < 120; n++ { // deleted once
		store, err := healthlake.Open(t.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID, RequestsPerSecond: 1000})
		if err != nil {
			t.Fatal(err)
		}
		versions, err := store.History(t.Context(), "Patient", strings.TrimPrefix(patientKey(n), "Patient/"))
		if err != nil || len(versions) != 3 || versions[0].Body != nil {
			t.Errorf("Patient %d has %d versions, %v", n, len(versions), err)
		}
	}
	r.run(0, "import")
	r.says("deletes   20 applied")
	if again := r.simulation.Calls(); again["batch"] != calls["batch"] {
		t.Errorf("%d batches more", again["batch"]-calls["batch"])
	}
	// Somebody has sent a folder once more.
	body := r.simulation.Current(healthlaketest.DatastoreID)[patientKey(1)]
	store, err := healthlake.Open(t.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID})
	if err != nil {
		t.Fatal(err)
	}
	body = []byte(strings.NewReplacer(recordstest.Canary+"-1", recordstest.Canary+"-107", `"multipleBirthInteger":3`, `"multipleBirthInteger":2`).Replace(string(body)))
	if _, err := store.Batch(t.Context(), []healthlake.Entry{{Method: "PUT", Type: "Patient", ID: recordstest.Canary + "-107", Body: body}}); err != nil {
		t.Fatal(err)
	}
	r.holds(alive(107))
	r.run(0, "import", "--again", "deletes")
	r.says("deletes   1 applied, 19 were gone already")
	r.holds(alive())
}

// TestImportDeletesUnderFire: throttled calls and entries, lost and broken answers,
// failing servers, a 401 and a 403 in between change nothing of the end.
func TestImportDeletesUnderFire(t *testing.T) {
	entries, batches := 0, 0
	r := newDeletesRig(t, healthlaketest.Traps{
		EntryStatus: func(string, string) int {
			entries++
			return map[int]int{5: 429, 11: 503, 12: 500, 30: 403}[entries]
		},
		Fault: func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op != "batch" {
				return healthlaketest.NoFault
			}
			batches++
			return map[int]healthlaketest.Fault{
				2: healthlaketest.Lost, 4: healthlaketest.Lost, 5: healthlaketest.Throttled, 7: healthlaketest.Unauthorized, 9: healthlaketest.Forbidden,
				10: healthlaketest.Truncated, 12: healthlaketest.ServerError, 14: healthlaketest.Reset, 16: healthlaketest.Lost,
			}[batches]
		},
	})
	r.run(0, "import")
	r.says("deletes   20 applied, 0 were gone already")
	r.holds(alive())
	if batches < 20 || entries < 40 {
		t.Errorf("%d batches, %d entries", batches, entries)
	}
}

// TestImportDeletesChanged: what somebody else has written since stays, until the
// operator says that nobody else writes there; what somebody has deleted is gone.
func TestImportDeletesChanged(t *testing.T) {
	r := newDeletesRig(t, healthlaketest.Traps{EntryStatus: func(method, url string) int {
		if method == "DELETE" && url == patientKey(103) {
			return 409
		}
		return 0
	}})
	hold := true
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "batch" && hold {
				return healthlaketest.Forbidden
			}
			return healthlaketest.NoFault
		}
	})
	r.run(12, "import") // all folders are in, and nothing was deleted
	r.says("access denied", "deletes   0 applied", "not all yet")
	hold = false
	r.simulation.Edit(healthlaketest.DatastoreID, patientKey(101), func(body []byte) []byte {
		return []byte(strings.Replace(string(body), `"multipleBirthInteger":2`, `"multipleBirthInteger":9`, 1))
	})
	r.simulation.Edit(healthlaketest.DatastoreID, patientKey(102), func([]byte) []byte { return nil })
	for range 2 {
		r.run(3, "import")
		r.says("deletes   17 applied, 1 were gone already", "stay      1: changed after the import", "stay      1: HealthLake refuses")
		r.holds(alive(101, 103))
	}
	r.run(0, "status")
	r.says("deletes 17 applied, 1 gone already, 2 stay in the target")
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.EntryStatus = nil })
	r.run(0, "import", "--target.healthlake.exclusive=true")
	r.says("deletes   19 applied, 1 were gone already", "listed in "+deleting.Kept(filepath.Join(r.dir, "state"), "", 3))
	r.holds(alive())
}

// TestImportDeletesStopped: a signal ends it, and the next run goes on.
func TestImportDeletesStopped(t *testing.T) {
	r := newDeletesRig(t, healthlaketest.Traps{})
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "batch" && c.N == 6 {
				r.signals <- syscall.SIGTERM
			}
			if c.Op == "batch" && c.N >= 6 {
				return healthlaketest.Throttled
			}
			return healthlaketest.NoFault
		}
	})
	r.run(143, "import")
	r.says("stopped by a signal", "not all yet")
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.Fault = nil })
	r.run(0, "import")
	r.says("deletes   20 applied, 0 were gone already")
	r.holds(alive())
}

// TestImportDeletesStale: where HealthLake has refused the last version, the earlier
// one that is in is deleted, and where it has none, nothing is missing.
func TestImportDeletesStale(t *testing.T) {
	r := newDeletesRig(t, healthlaketest.Traps{Refuse: func(key string, body []byte) string {
		if key == patientKey(105) && strings.Contains(string(body), `"multipleBirthInteger":2`) || key == patientKey(106) {
			return "so"
		}
		return ""
	}})
	r.run(3, "import", "--target.healthlake.on_import_error=continue")
	r.says("deletes   19 applied, 1 were gone already")
	r.holds(alive())
}

// TestImportDeletesNotBefore: a folder that is not in keeps every delete back.
func TestImportDeletesNotBefore(t *testing.T) {
	r := newDeletesRig(t, healthlaketest.Traps{Fail: func(name string) (int64, string) {
		if strings.Contains(name, "v3-0") {
			return 1, "so"
		}
		return 0, ""
	}})
	r.run(7, "import")
	r.run(2, "import", "--again", "deletes")
	r.says("--again deletes: they are not applied yet")
	if n := r.simulation.Calls()["batch"]; n != 0 {
		t.Errorf("%d batches", n)
	}
	if strings.Contains(r.out.String(), "deletes ") {
		t.Error(r.out.String())
	}
}
