package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// verifyRig is a job of which everything has arrived, deletes included.
type verifyRig struct {
	*importRig
	store *healthlake.Store
}

// live resources: all patients but one, a Binary, an Observation and a Condition. A
// Patient and an Encounter are deleted.
const live = patients - 1 + 3

// verifyRows have what the old verification stumbled over: Binaries (WV1), true
// deletes, of which older versions are AVAILABLE (WV1, WV5), re-created resources
// (WV2), labels (WV4), and digits that no double holds (WV6).
func verifyRows(replace ...string) []string {
	const status = `"AVAILABLE"`
	rows := append(patientRows(),
		recordstest.CanaryBinary(100, `"contentType"`, `"data":{"S":"`+strings.Repeat("QUJD", 100)+`"},"contentType"`),
		recordstest.CanaryRow(101, "Patient", "Observation", `{"N":"3"}`, `{"N":"1.2345678901234567891"}`),
		recordstest.CanaryRow(102, "Patient", "Condition", `"tag"`, `"security":{"L":[{"M":{"code":{"S":"R"}}}]},"tag"`),
		recordstest.CanaryRow(103, "Patient", "Encounter"),
		recordstest.CanaryRow(103, "Patient", "Encounter", `"vid":{"N":"1"}`, `"vid":{"N":"2"}`, status, `"DELETED"`),
	)
	for i := range rows {
		rows[i] = strings.NewReplacer(replace...).Replace(rows[i])
	}
	return rows
}

func newVerifyRig(t *testing.T, traps healthlaketest.Traps) *verifyRig {
	t.Helper()
	return newVerifyRigWith(t, traps)
}

// newVerifyRigWith imports with more flags. Where the data store refuses a
// resource, they must tell it to go on.
func newVerifyRigWith(t *testing.T, traps healthlaketest.Traps, flags ...string) *verifyRig {
	t.Helper()
	r := newImportRig(t, traps)
	r.jobFile += verifySettings
	r.export(verifyRows())
	exit := 0
	if traps.Refuse != nil {
		exit = 3
	}
	r.moved().run(exit, append([]string{"import"}, flags...)...)
	return newVerifyRigOf(r, healthlaketest.DatastoreID)
}

const verifySettings = "verify: {export_to: \"s3://bucket/verified\", requests_per_second: 10000}\n"

// newVerifyRigOf is for changes of one data store of a job that is imported.
func newVerifyRigOf(of *importRig, datastore string) *verifyRig {
	of.Helper()
	r := &verifyRig{importRig: of}
	var err error
	if r.store, err = healthlake.Open(of.Context(), healthlake.Options{Datastore: datastore, RequestsPerSecond: 10000}); err != nil {
		of.Fatal(err)
	}
	r.later.Store(int64(time.Minute)) // what comes now comes after the import
	return r
}

func patient(n int) string { return "Patient/" + recordstest.Canary + "-" + string(rune('0'+n)) }

// send changes the data store behind our back.
func (r *verifyRig) send(method, key, body string) {
	r.Helper()
	kind, id, _ := strings.Cut(key, "/")
	e := healthlake.Entry{Method: method, Type: kind, ID: id}
	if body != "" {
		e.Body = []byte(body)
	}
	statuses, err := r.store.Batch(r.Context(), []healthlake.Entry{e})
	if err != nil || statuses[0] >= 300 && statuses[0] != 410 {
		r.Fatal(statuses, err)
	}
}

// body is what the data store holds of a resource.
func (r *verifyRig) body(key string) string {
	r.Helper()
	body := string(r.simulation.Current(healthlaketest.DatastoreID)[key])
	if body == "" {
		r.Fatalf("the store holds no %s", key)
	}
	return body
}

// change replaces a part of a resource in the data store.
func (r *verifyRig) change(key, old, changed string) {
	r.Helper()
	body := r.body(key)
	if !strings.Contains(body, old) {
		r.Fatalf("%s holds no %s", body, old)
	}
	r.send("PUT", key, strings.Replace(body, old, changed, 1))
}

// result is what state keeps of the last verification of a mode.
func (r *verifyRig) result(mode string) *verification.Result {
	r.Helper()
	known, err := verification.Load(filepath.Join(r.dir, "state"), "")
	if err != nil {
		r.Fatal(err)
	}
	i := slices.IndexFunc(known, func(k *verification.Result) bool { return k.Mode == mode })
	if i < 0 {
		r.Fatalf("no result of mode %s", mode)
	}
	return known[i]
}

// classes checks how many resources are in each class; those that are not named
// have none.
func (r *verifyRig) classes(mode string, want map[string]int64) {
	r.Helper()
	got := r.result(mode)
	for class, n := range got.Classes {
		if n != want[class] {
			r.Errorf("%s: %d %s, want %d", mode, n, class, want[class])
		}
	}
	for class := range want {
		if _, told := got.Classes[class]; !told {
			r.Errorf("%s does not tell %s", mode, class)
		}
	}
}

// TestVerifyIsRefused: what has not arrived whole is not verified.
func TestVerifyIsRefused(t *testing.T) {
	fail := healthlaketest.Traps{Fail: func(name string) (int64, string) { return 1, "because of " + recordstest.Canary }}
	r := &verifyRig{importRig: newImportRig(t, fail)}
	r.run(2, "verify", "--mode", "counts")
	r.says("no move of this job has started here")
	r.moved()
	r.run(2, "verify", "--mode", "counts")
	r.says("its import is not finished: folder Binary-v1-0 is not in", "try: fhirhose import")
	r.run(7, "import")
	r.run(2, "verify", "--mode", "counts")
	r.says("folder Binary-v1-0 is not in")
	r.run(2, "verify", "--mode", "all")
	r.says(`no mode "all"`)
	r.run(2, "verify")
	r.says("verify.export_to")
	r.run(2, "verify", "--mode", "counts", "--target.healthlake.datastore=")
	r.says("target.healthlake.datastore")
	if _, err := os.Stat(filepath.Join(r.dir, "state", "verify")); err == nil {
		t.Error("there is a result")
	}
}

// TestVerifyWithTheLedgerOfAnotherRun: a sink that another run has written since holds
// another ledger, and proves nothing of what this one has moved. Nor is anything
// deleted, judged or sent by it.
func TestVerifyWithTheLedgerOfAnotherRun(t *testing.T) {
	r := newVerifyRigWith(t, healthlaketest.Traps{Refuse: (&refusals{versions: map[int][]int{4: {1, 2, 3}}}).refuse}, goOn)
	state, aside := filepath.Join(r.dir, "state"), filepath.Join(r.dir, "aside")
	if err := os.Rename(state, aside); err != nil {
		t.Fatal(err)
	}
	for key := range r.memory.Objects() {
		if strings.HasPrefix(key, "out/") {
			r.memory.Delete(key)
		}
	}
	r.export(patientRows())
	r.moved()
	if err := errors.Join(os.RemoveAll(state), os.Rename(aside, state)); err != nil {
		t.Fatal(err)
	}
	calls := r.simulation.Calls()["batch"]
	for _, args := range [][]string{{"verify", "--mode", "full"}, {"verify", "--mode", "counts"}, {"verify"}, {"quarantine", "replay"}} {
		r.run(11, args...)
		r.says("it belongs to another run")
	}
	if n := r.simulation.Calls()["batch"]; n != calls {
		t.Errorf("%d batches, %d before", n, calls)
	}
}

// TestVerifyTenants: each tenant's ledger is compared with what its own data store
// holds, and each has its own export and its own result.
func TestVerifyTenants(t *testing.T) {
	rig := newTenantsRig(t, healthlaketest.Traps{})
	rig.jobFile += verifySettings
	rig.moved().run(0, "import")
	r := newVerifyRigOf(rig, "second")
	r.run(0, "verify")
	r.says("job clinic-a/a: passed", "job clinic_B/a: passed", "datastore/fhir/second", "equal             4", "deleted and gone  1")
	r.send("DELETE", patient(1), "")
	for range 2 { // the one that passed is not verified again
		r.run(4, "verify", "--again")
		r.run(4, "verify", "--json")
		var s verifySummary
		if err := json.Unmarshal(r.out.Bytes(), &s); err != nil || s.Passed || len(s.Results) != 2 || !s.Results[0].Passed() || s.Results[1].Passed() ||
			s.Results[1].Tenant != "clinic_B" || s.Results[1].Classes["missing"] != 1 {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if n := r.exports(); n != 2+2*(2+1) {
		t.Errorf("%d exports", n)
	}
	r.run(4, "verify", "--mode", "counts")
	for _, tenant := range []string{"clinic-a", "clinic_B"} {
		known, err := verification.Load(filepath.Join(r.dir, "state"), tenant)
		if err != nil || len(known) != 2 || known[0].Mode != "counts" || known[0].Passed() != (tenant == "clinic-a") {
			t.Errorf("%s: %+v, %v", tenant, known, err)
		}
	}
}

// TestVerifyCounts (WV7, WV10): numbers per type, of all types that a data store
// may hold, and an exit code that tells the difference (WI12).
func TestVerifyCounts(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.run(0, "verify", "--mode", "counts")
	r.says("job a: passed, by mode counts", fmt.Sprintf("checked   %d resources", live))
	r.classes("counts", map[string]int64{"missing": 0, "extra": 0, "could not be checked": 0})
	asked := r.simulation.Calls()["search"]
	r.run(0, "verify", "--mode", "counts")
	r.says("job a: passed", "it has passed; --again verifies anew")
	if n := r.simulation.Calls()["search"]; n != asked || asked < 146 {
		t.Errorf("%d counts, then %d", asked, n)
	}
	r.send("DELETE", patient(1), "")
	r.change(patient(2), `"multipleBirthInteger":3`, `"multipleBirthInteger":2`) // no number tells that
	r.send("PUT", "Flag/x", `{"resourceType":"Flag","id":"x"}`)
	r.send("PUT", "Encounter/"+recordstest.Canary+"-103", `{"resourceType":"Encounter","id":"`+recordstest.Canary+`-103"}`)
	r.run(4, "verify", "--mode", "counts", "--again", "--json")
	var s verifySummary
	if err := json.Unmarshal(r.out.Bytes(), &s); err != nil || s.Passed || s.Job != "a" || len(s.Results) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	r.classes("counts", map[string]int64{"missing": 1, "extra": 2})
	if of := s.Results[0].Types; of["Patient"]["missing"] != 1 || of["Flag"]["extra"] != 1 || of["Encounter"]["extra"] != 1 {
		t.Errorf("%+v", of)
	}
	r.run(4, "verify", "--mode", "counts")
	r.says("3 resources not as they should be", "! missing", "Patient 1", "! extra", "Encounter 1, Flag 1")
}
