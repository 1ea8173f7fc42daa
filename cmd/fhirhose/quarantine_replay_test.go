package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/pipeline/replaying"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// refusals are the versions of patients that are refused until Mend.
type refusals struct {
	mu       sync.Mutex
	versions map[int][]int
}

func (f *refusals) refuse(key string, body []byte) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for patient, versions := range f.versions {
		for _, v := range versions {
			if strings.HasSuffix(key, fmt.Sprintf("-%d", patient)) && strings.Contains(string(body), fmt.Sprintf(`"multipleBirthInteger":%d`, v)) {
				return "because of " + recordstest.Canary
			}
		}
	}
	return ""
}

func (f *refusals) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.versions = nil
}

const goOn = "--target.healthlake.on_import_error=continue"

// newReplayRig has refused: a version of the deleted patient 0; the second of 1,
// whose third is in; the last of 2; the last two of 3; all of 4.
func newReplayRig(t *testing.T) (*importRig, *refusals) {
	f := &refusals{versions: map[int][]int{0: {2}, 1: {2}, 2: {3}, 3: {2, 3}, 4: {1, 2, 3}}}
	r := newImportRig(t, healthlaketest.Traps{Refuse: f.refuse}).moved()
	r.run(3, "import", goOn)
	return r, f
}

// histories are the versions of each patient that the store has taken, in order.
func (r *importRig) histories() string {
	r.Helper()
	store, err := healthlake.Open(r.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID, RequestsPerSecond: 1000})
	if err != nil {
		r.Fatal(err)
	}
	var all []string
	for n := range patients {
		history, err := store.History(r.Context(), "Patient", fmt.Sprintf("%s-%d", recordstest.Canary, n))
		if err != nil {
			r.Fatal(err)
		}
		text := ""
		for _, v := range slices.Backward(history) {
			var it struct{ MultipleBirthInteger int }
			if v.Body == nil {
				text += "x"
			} else if err := json.Unmarshal(v.Body, &it); err != nil {
				r.Fatal(err)
			} else {
				text += fmt.Sprint(it.MultipleBirthInteger)
			}
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func (r *importRig) replay(want int, counts replaying.Counts) {
	r.Helper()
	r.run(want, "quarantine", "replay", "--json")
	var all []replaySummary
	if err := json.Unmarshal(r.out.Bytes(), &all); err != nil || len(all) != 1 {
		r.Fatalf("%v: %s", err, r.out.String())
	}
	if all[0].Counts != counts {
		r.Errorf("%+v, want %+v", all[0].Counts, counts)
	}
}

// TestReplay: what was refused goes in once its cause is mended, the oldest first,
// and never over a newer version (I11).
func TestReplay(t *testing.T) {
	r, f := newReplayRig(t)
	r.replay(3, replaying.Counts{Refused: 6, Overtaken: 1, Deleted: 1}) // nothing is mended
	if got := r.histories(); got != "13 13 12 1 " {
		t.Errorf("histories %q", got)
	}
	store, err := healthlake.Open(t.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID, RequestsPerSecond: 1000})
	if err != nil {
		t.Fatal(err)
	}
	id := recordstest.Canary + "-2"
	other := []byte(`{"resourceType":"Patient","id":"` + id + `","multipleBirthInteger":9}`)
	if _, err := store.Batch(t.Context(), []healthlake.Entry{{Method: "PUT", Type: "Patient", ID: id, Body: other}}); err != nil {
		t.Fatal(err)
	}
	before := r.ended()
	f.mend()
	r.replay(3, replaying.Counts{Taken: 5, Overtaken: 1, Deleted: 1, Changed: 1})
	if got := r.histories(); got != "13 13 129 123 123" {
		t.Errorf("histories %q", got)
	}
	if after := r.ended(); !after.After(before) {
		t.Errorf("the last import ended %v, before %v", after, before) // what was verified is void
	}
	r.run(0, "quarantine", "list")
	r.says("HealthLake has refused 3 resources")
	r.run(3, "import", goOn)
	r.says("overtaken 2 resources", "stale     1 resource")
	a := r.ask(0, "Patient/"+recordstest.Canary+"-4\nPatient/"+recordstest.Canary+"-1")
	if v := a[0].Versions[1]; v.Refused != nil || !v.Import.Done || a[1].Versions[1].Refused == nil {
		t.Errorf("%+v", a)
	}
	n := r.simulation.Calls()["batch"]
	r.replay(3, replaying.Counts{Overtaken: 1, Deleted: 1, Changed: 1})
	if got := r.histories(); got != "13 13 129 123 123" || r.simulation.Calls()["batch"] > n+1 {
		t.Errorf("histories %q", got)
	}
}

// ended is when the last import ended, as a verification sees it.
func (r *importRig) ended() (at time.Time) {
	r.Helper()
	store, err := checkpoint.Reopen(filepath.Join(r.dir, "state", checkpointFile))
	if err == nil {
		at, err = importing.Ended(store, "")
		err = errors.Join(err, store.Close())
	}
	if err != nil {
		r.Fatal(err)
	}
	return at
}

// TestReplayBeforeLaterFolders: an import that has stopped at refused resources goes
// on once they are in, with nothing left out.
func TestReplayBeforeLaterFolders(t *testing.T) {
	f := &refusals{versions: map[int][]int{1: {2}}}
	r := newImportRig(t, healthlaketest.Traps{Refuse: f.refuse}).moved()
	r.run(3, "import")
	f.mend()
	r.replay(0, replaying.Counts{Taken: 1})
	r.run(0, "import")
	r.arrived()
}

// TestReplayIsRefused while nobody knows what an import brings in, and from a sink
// that is not as it was.
func TestReplayIsRefused(t *testing.T) {
	r, f := newReplayRig(t)
	f.mend()
	key := "out/a/v3-0/Patient-v3-00000.ndjson"
	was := r.memory.Objects()[key]
	r.memory.Put(key, []byte(strings.Replace(string(was), `"multipleBirthInteger":3`, `"multipleBirthInteger":4`, 10)))
	r.run(7, "quarantine", "replay")
	r.says("a line is not what the ledger says")
	r.memory.Put(key, was)
	r.replay(3, replaying.Counts{Taken: 3, Overtaken: 1, Deleted: 1}) // the others are in since
	if got := r.histories(); got != "13 13 123 123 123" {
		t.Errorf("histories %q", got)
	}
	fails := newImportRig(t, healthlaketest.Traps{Fail: func(string) (int64, string) { return 0, "why" }}).moved()
	fails.run(7, "import")
	fails.run(2, "quarantine", "replay")
	fails.says("its import is begun, and not done")
}

// TestReplayIntoAnotherStore: resources that one data store has refused go into no
// other, which another setting names since: they would be counted as imported, and be
// missing where they belong; or be in the store of another tenant.
func TestReplayIntoAnotherStore(t *testing.T) {
	r, f := newReplayRig(t)
	f.mend()
	r.run(2, "quarantine", "replay", "--target.healthlake.datastore=second")
	r.says("into another store")
	if n := len(r.simulation.Current("second")); n != 0 {
		t.Errorf("%d resources in the other store", n)
	}
	r.replay(3, replaying.Counts{Taken: 6, Overtaken: 1, Deleted: 1})
	tenants := newTenantsRig(t, healthlaketest.Traps{Refuse: (&refusals{versions: map[int][]int{4: {1, 2, 3}}}).refuse}).moved()
	tenants.run(3, "import", goOn)
	n := tenants.simulation.Calls()["batch"]
	tenants.run(2, "quarantine", "replay", "--target.healthlake.datastores=clinic-a=second,clinic_B="+healthlaketest.DatastoreID)
	tenants.says("into another store")
	if tenants.simulation.Calls()["batch"] != n {
		t.Error("a resource was looked at, or sent")
	}
}

// TestReplayKilled kills replay after ever more calls of HealthLake: every version
// goes in once, in order, and the counts of all runs add up.
func TestReplayKilled(t *testing.T) {
	r, f := newReplayRig(t)
	f.mend()
	var child *os.Process
	var starting sync.Mutex // of child
	var calls, until atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.simulation.ServeHTTP(w, q)
		if calls.Add(1) == until.Load() {
			starting.Lock()
			defer starting.Unlock()
			_ = child.Kill()
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_HEALTHLAKE", server.URL)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(r.dir, "fhirhose")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	kills := 0
	for ; ; kills++ {
		calls.Store(0)
		until.Store(int64(2 + kills))
		cmd := exec.CommandContext(t.Context(), program, "quarantine", "replay", "-c", filepath.Join(r.dir, "fhirhose.yaml"))
		var said lockedBuffer
		cmd.Stdout, cmd.Stderr = &said, &said
		starting.Lock()
		err := cmd.Start()
		child = cmd.Process
		starting.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		ended, ok := errors.AsType[*exec.ExitError](cmd.Wait())
		if ok && ended.ExitCode() == exitQuarantine {
			break
		}
		if !ok || ended.ExitCode() != -1 {
			t.Fatalf("after %d kills\n%s", kills, &said)
		}
	}
	if kills < 4 {
		t.Errorf("%d kills", kills)
	}
	if got := r.histories(); got != "13 13 123 123 123" {
		t.Errorf("histories %q", got)
	}
	r.replay(3, replaying.Counts{Overtaken: 1, Deleted: 1})
}
