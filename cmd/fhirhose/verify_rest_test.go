package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

var restModes = []string{"sample", "full", "history"}

// edit changes what the data store holds, as a fault of its own would.
func (r *verifyRig) edit(key, old, changed string) {
	r.Helper()
	r.simulation.Edit(healthlaketest.DatastoreID, key, func(body []byte) []byte {
		if !strings.Contains(string(body), old) {
			r.Fatalf("%s holds no %s", body, old)
		}
		return []byte(strings.Replace(string(body), old, changed, 1))
	})
}

// found are the findings of the last verification of a mode.
func (r *verifyRig) found(mode string) (all []verification.Finding) {
	r.Helper()
	name := r.result(mode).Findings
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "state", name))
	if err != nil {
		r.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var f verification.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			r.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// named is what the last verification of a mode says of a resource: the elements that
// differ. Its file is PHI, and what is printed names elements alone.
func (r *verifyRig) named(mode, id string) (all []string) {
	r.Helper()
	err := r.result(mode).EachFinding(filepath.Join(r.dir, "state"), func(f *verification.Finding) error {
		if f.ID == id && f.Explained != nil {
			all = append(all, verification.DifferenceWords(f.Explained, mode))
		}
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return all
}

// TestVerifyByReads: everything arrived, Binaries, deletes and labels included (WV1,
// WV4), each resource is asked for once (WV3), and the answer is kept (WV7).
func TestVerifyByReads(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	for _, mode := range restModes {
		before := r.simulation.Calls()
		for range 2 {
			r.run(0, "verify", "--mode", mode)
			r.says("job a: passed, by mode "+mode, "equal             7", "deleted and gone  2")
		}
		r.run(0, "status")
		r.says("verify   mode " + mode + ", ask: 9 resources read")
		r.classes(mode, allEqual())
		after := r.simulation.Calls()
		if reads, histories := after["read"]-before["read"], after["history"]-before["history"]; reads+histories != live+2 {
			if mode != "history" || histories < live+2 { // one page each, of a Binary one version
				t.Errorf("%s: %d reads, %d histories", mode, reads, histories)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(r.dir, "state", "verify", "*.work")); len(left) > 0 {
			t.Errorf("%s: %v is left", mode, left)
		}
	}
	r.run(0, "verify", "--mode", "sample", "--verify.sample", "3")
	if got := r.result("sample"); got.Checked != 3 || got.Share != "3" {
		t.Errorf("%+v", got)
	}
	if got := r.result("full"); got.Share != "" {
		t.Errorf("%+v", got)
	}
}

// TestVerifyByReadsPlanted: each planted defect is found and named by each mode that
// reads. None of them sees what the source never had.
func TestVerifyByReadsPlanted(t *testing.T) {
	const binary, condition = "Binary/" + recordstest.Canary + "-100", "Condition/" + recordstest.Canary + "-102"
	r := newVerifyRig(t, healthlaketest.Traps{})
	var planted []string
	want, elements := allEqual(), map[string]string{}
	for _, o := range []struct {
		plant    func()
		was, now string
		id       string
		elements string // that are named
	}{
		{func() { r.edit(patient(1), `"given"`, `"prefix"`) }, "equal", "different", id("1"), "Patient.name[0].given: missing in target, Patient.name[0].prefix: added in target"}, // a changed field
		{func() {
			r.simulation.Edit(healthlaketest.DatastoreID, patient(2), func([]byte) []byte { return nil })
		}, "equal", "missing", id("2"), ""},
		{func() { // a lost delete (WV1)
			body := strings.ReplaceAll(r.body(patient(3)), id("3"), id("0"))
			r.simulation.Edit(healthlaketest.DatastoreID, patient(0), func([]byte) []byte { return []byte(body) })
		}, "deleted and gone", "deleted but present", id("0"), ""},
		{func() { r.edit(binary, "QUJDQUJD", "QUJD") }, "equal", "different", id("100"), "Binary.data: truncated (target shorter)"},                                                                   // a truncated Binary (WV1)
		{func() { r.edit("Observation/"+id("101"), "1.2345678901234567891", "1.2345678901234567") }, "equal", "different", id("101"), "Observation.multipleBirthInteger: changed digits"},             // a lost digit (WV6)
		{func() { r.edit(condition, `"security":[{"code":"R"}],`, "") }, "equal", "label lost", id("102"), "Condition.meta.security[0]: lost"},                                                        // a lost security label (WV4)
		{func() { r.edit(patient(3), `"multipleBirthInteger":3`, `"multipleBirthInteger":2`) }, "equal", "known stale", id("3"), ""},                                                                  // (WV2)
		{func() { r.edit(patient(4), `"given"`, `"`+recordstest.Canary+`"`) }, "equal", "different", id("4"), "Patient.name[0].given: missing in target, Patient.name[0].(unnamed): added in target"}, // I10: a name may hold anything
		{func() { r.send("PUT", "Flag/x", `{"resourceType":"Flag","id":"x"}`) }, "", "", "", ""},
	} {
		o.plant()
		if o.was != "" {
			want[o.was]--
			want[o.now]++
			planted = append(planted, o.id+" "+o.now)
			elements[o.id] = o.elements
		}
	}
	for _, mode := range restModes {
		r.run(4, "verify", "--mode", mode)
		r.says("8 resources not as they should be", "! known stale", "PHI", "what differs, in 5 resources:",
			"Binary.data: truncated (target shorter), in 1 resource", "Observation.multipleBirthInteger: changed digits, in 1 resource",
			"Condition.meta.security: lost, in 1 resource", "Patient.name.given: missing in target, in 2 resources", "Patient.name.(unnamed): added in target, in 1 resource", mode+".explained.ndjson (PHI)")
		r.classes(mode, want)
		named := map[string]bool{}
		for _, f := range r.found(mode) {
			named[f.ID+" "+f.Class] = true
		}
		for _, p := range planted {
			if !named[p] {
				t.Errorf("%s does not name %s: %v", mode, p, named)
			}
		}
		if len(named) != len(planted) {
			t.Errorf("%s: %v", mode, named)
		}
		for id, want := range elements {
			if mode == "history" && want != "" {
				want = "version " + map[bool]string{true: "3", false: "1"}[strings.HasPrefix(want, "Patient.")] + ": " + want
			}
			if got := strings.Join(r.named(mode, id), "|"); got != want {
				t.Errorf("%s, %s: %q, want %q", mode, id, got, want)
			}
		}
	}
	// I10: a report names elements, and no resource; find names both.
	r.run(4, "report")
	r.says("what differs, in 5 resources:", "Observation.multipleBirthInteger: changed digits, in 1 resource")
	r.run(4, "report", "--json")
	r.says(`"path": "Condition.meta.security"`, `"kind": "lost"`)
	page := filepath.Join(r.dir, "report.html")
	r.run(4, "report", "--html", page)
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "<li>Binary.data: truncated (target shorter), in 1 resource</li>") || recordstest.HoldsCanary(text) {
		t.Errorf("%s %v", text, err)
	}
	for id, want := range elements {
		text := r.askText(id+"\n", "--target")
		for _, mode := range []string{"sample", "full", "history"} {
			if want != "" && !strings.Contains(text, "verification "+mode+": ") || strings.Count(text, want+"; ended ") < 3 && want != "" {
				t.Error(text)
			}
		}
		if want != "" && !strings.Contains(text, "; "+want+"\n") || want == "" && strings.Contains(text, "Patient.") {
			t.Error(text)
		}
	}
}

// TestVerifyUnreadOutput: that a line of ours cannot be read any more is said, and is no
// failure of the verification.
func TestVerifyUnreadOutput(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.edit(patient(1), `"given"`, `"prefix"`)
	r.edit("Observation/"+id("101"), "1.2345678901234567891", "1.2345678901234567")
	r.memory.Delete("out/a/v3-0/Patient-v3-00000.ndjson")
	for _, mode := range append(restModes, "export") {
		r.run(4, "verify", "--mode", mode)
		r.classes(mode, allEqual("equal", "different", "equal", "different"))
		r.says("what differs, in 1 resource:", "Observation.multipleBirthInteger: changed digits",
			"what differs is not known of 1 resource: our line could not be read")
	}
}

// TestVerifyNumberForm (WV6): a data store that gives 1.50 for 1.5 holds what it was
// sent. Every mode that looks at contents says so, and none calls it a difference.
func TestVerifyNumberForm(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.edit("Observation/"+id("101"), "1.2345678901234567891", "1.234567890123456789100")
	for _, mode := range append([]string{"export"}, restModes...) {
		r.run(0, "verify", "--mode", mode)
		r.says("job a: passed, by mode "+mode, "equal up to number form  1")
		r.classes(mode, allEqual("equal", "equal up to number form"))
	}
	r.run(0, "verify", "--mode", "counts")
	r.run(0, "report")
	r.says("SAFE TO CUT OVER: yes", "equal up to number form")
}

// TestVerifyChangedLater: a change after the import is no defect of it (WV8), and the
// history holds ours all the same.
func TestVerifyChangedLater(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.change(patient(1), `"given"`, `"prefix"`)
	r.run(4, "verify", "--mode", "full")
	r.classes("full", allEqual("equal", "changed after import"))
	r.run(0, "verify", "--mode", "history")
}

// TestVerifyHistoryOfRefused: a version that the data store refused is missing in the
// history, and it is said that the import knew.
func TestVerifyHistoryOfRefused(t *testing.T) {
	r := newVerifyRigWith(t, healthlaketest.Traps{Refuse: func(key string, body []byte) string {
		if key == patient(3) && strings.Contains(string(body), `"multipleBirthInteger":2`) {
			return "because of " + recordstest.Canary
		}
		return ""
	}}, "--target.healthlake.on_import_error=continue")
	r.run(0, "verify", "--mode", "full")
	r.run(4, "verify", "--mode", "history")
	r.says("! missing", "1 of them: a version was refused by the import")
	if found := r.found("history"); len(found) != 1 || found[0].ID != id("3") || found[0].Cause != "a version was refused by the import" {
		t.Errorf("%+v", found)
	}
}

// TestVerifyByReadsKilledAtEveryStep is TestVerifyKilledAtEveryStep for modes that
// read.
func TestVerifyByReadsKilledAtEveryStep(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.edit(patient(1), `"given"`, `"prefix"`)
	for mode, stride := range map[string]int{"full": 1, "history": 7} { // histories are waited for
		r.run(4, "verify", "--mode", mode)
		answer, found, named := r.result(mode), fmt.Sprint(r.found(mode)), strings.Join(r.named(mode, id("1")), "|")
		for n := 1; ; n += stride {
			var passed atomic.Int64
			var died atomic.Bool
			remove := faultpoint.Set(func(string) error {
				if passed.Add(1) < int64(n) {
					return nil
				}
				died.Store(true)
				return errors.New("killed")
			})
			exit := r.end("verify", "--mode", mode)
			remove()
			if exit != 5 && exit != 4 {
				t.Fatalf("step %d: exit %d\n%s", n, exit, r.err.String())
			}
			if !died.Load() {
				break
			}
			r.run(4, "verify", "--mode", mode)
			got := r.result(mode)
			if !reflect.DeepEqual(got.Types, answer.Types) || !reflect.DeepEqual(got.Causes, answer.Causes) || fmt.Sprint(r.found(mode)) != found ||
				!reflect.DeepEqual(got.Explained, answer.Explained) || strings.Join(r.named(mode, id("1")), "|") != named {
				t.Fatalf("step %d: %+v, want %+v", n, got, answer)
			}
		}
	}
}

// TestVerifyByReadsStopped: a signal ends it, and the next run goes on.
func TestVerifyByReadsStopped(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "read" && c.N == 5 {
				r.signals <- syscall.SIGTERM
			}
			if c.Op == "read" && c.N >= 5 {
				return healthlaketest.Throttled
			}
			return healthlaketest.NoFault
		}
	})
	r.run(143, "verify", "--mode", "full")
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.Fault = nil })
	r.run(0, "verify", "--mode", "full")
	r.classes("full", allEqual())
}
