package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

func (r *verifyRig) exports() int { return r.simulation.Calls()["StartFHIRExportJob"] }

// findings are the lines of the last verification by export.
func (r *verifyRig) findings() (all []verification.Finding) {
	r.Helper()
	result := r.result("export")
	if result.Findings == "" {
		return nil
	}
	path := filepath.Join(r.dir, "state", result.Findings)
	text, err := os.ReadFile(path)
	if err != nil {
		r.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		r.Error(info.Mode(), err)
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

func id(n string) string { return recordstest.Canary + "-" + n }

// allEqual is what a verification by export finds where nothing is wrong.
func allEqual(except ...string) map[string]int64 {
	want := map[string]int64{"equal": live, "deleted and gone": 2}
	for i := 0; i < len(except); i += 2 {
		if except[i] != "" {
			want[except[i]]--
		}
		want[except[i+1]]++
	}
	return want
}

// TestVerifyExport (WV1, WV7): everything arrived, deletes included, and one export
// proves it, until an import or --again asks for another. The source, which is gone by
// then, is not asked (WV3, WV8).
func TestVerifyExport(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	if err := os.RemoveAll(filepath.Join(r.dir, "export")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.run(0, "verify", "--http.listen=127.0.0.1:0")
		r.says("job a: passed, by mode export", "equal             7", "deleted and gone  2")
	}
	r.classes("export", allEqual())
	r.run(0, "status")
	r.says("job a: done: every record is accounted for", "4 folders", "verify   mode export, compare: 7 resources read")
	if n := r.exports(); n != 1 {
		t.Errorf("%d exports", n)
	}
	entries, err := os.ReadDir(filepath.Join(r.dir, "state", "verify"))
	if err != nil || len(entries) != 1 { // the result alone: no findings, no digests
		t.Error(entries, err)
	}
	r.run(0, "verify", "--again", "--json")
	if n, got := r.exports(), r.result("export"); n != 2 || got.Attempt != 2 || got.Job == "" || !strings.HasPrefix(got.Output, "s3://bucket/verified/") {
		t.Errorf("%d exports, %+v", n, got)
	}
}

// TestVerifyPlanted: every planted defect is found and named by export, and by
// counts where numbers can tell it.
func TestVerifyPlanted(t *testing.T) {
	const binary, condition = "Binary/" + recordstest.Canary + "-100", "Condition/" + recordstest.Canary + "-102"
	const observation, encounter = "Observation/" + recordstest.Canary + "-101", "Encounter/" + recordstest.Canary + "-103"
	for _, o := range []struct {
		name   string
		plant  func(r *verifyRig)
		was    string // class before; "" of a resource that the source never had
		now    string
		id     string
		counts int
		named  string // elements that differ
	}{
		{"a changed field (WV4)", func(r *verifyRig) { r.change(patient(1), `"given"`, `"prefix"`) }, "equal", "changed after import", id("1"), 0, "Patient.name[0].given: missing in target, Patient.name[0].prefix: added in target"},
		{"a missing resource", func(r *verifyRig) { r.send("DELETE", patient(2), "") }, "equal", "missing", id("2"), 4, ""},
		{"an extra resource (WV10)", func(r *verifyRig) {
			r.send("PUT", "Flag/x", `{"resourceType":"Flag","id":"x"}`)
		}, "", "extra", "", 4, ""},
		{"a lost delete (WV1)", func(r *verifyRig) {
			r.send("PUT", patient(0), strings.ReplaceAll(r.body(patient(1)), id("1"), id("0")))
		}, "deleted and gone", "deleted but present", id("0"), 4, ""},
		{"a delete whose older version is AVAILABLE (WV5)", func(r *verifyRig) {
			r.send("PUT", encounter, strings.NewReplacer("Condition", "Encounter", id("102"), id("103"), `"security":[{"code":"R"}],`, "").Replace(r.body(condition)))
		}, "deleted and gone", "deleted but present", id("103"), 4, ""},
		{"a truncated Binary (WV1)", func(r *verifyRig) { r.change(binary, "QUJDQUJD", "QUJD") }, "equal", "changed after import", id("100"), 0, "Binary.data: truncated (target shorter)"},
		{"a lost digit (WV6)", func(r *verifyRig) {
			r.change(observation, "1.2345678901234567891", "1.2345678901234567")
		}, "equal", "changed after import", id("101"), 0, "Observation.multipleBirthInteger: changed digits"},
		{"a lost security label (WV4)", func(r *verifyRig) { r.change(condition, `"security":[{"code":"R"}],`, "") }, "equal", "label lost", id("102"), 0, "Condition.meta.security[0]: lost"},
		{"a stale version (WV2)", func(r *verifyRig) {
			r.change(patient(3), `"multipleBirthInteger":3`, `"multipleBirthInteger":2`)
		}, "equal", "known stale", id("3"), 0, ""},
	} {
		t.Run(o.name, func(t *testing.T) {
			r := newVerifyRig(t, healthlaketest.Traps{})
			o.plant(r)
			r.run(4, "verify")
			r.says("1 resource not as they should be", "! "+o.now, "PHI")
			r.classes("export", allEqual(o.was, o.now))
			found := r.findings()
			if len(found) != 1 || found[0].Class != o.now || found[0].ID != o.id {
				t.Errorf("%+v", found)
			}
			if gone := found[0].Object == ""; gone != (o.now == "missing") || !gone && found[0].Line == 0 {
				t.Errorf("%+v", found[0])
			}
			if named := strings.Join(r.named("export", o.id), "|"); named != o.named {
				t.Errorf("%q", named)
			}
			r.run(o.counts, "verify", "--mode", "counts")
		})
	}
}

// TestVerifyArrivedWrong: what the data store took in another form, or refused, is
// told apart from what was changed in it later.
func TestVerifyArrivedWrong(t *testing.T) {
	replace := func(key, old, changed string) func(string, []byte) []byte {
		return func(k string, body []byte) []byte {
			if k == key {
				return []byte(strings.Replace(string(body), old, changed, 1))
			}
			return body
		}
	}
	f := func(name string, traps healthlaketest.Traps, was, now, id string, counts int, named string, more ...string) {
		t.Run(name, func(t *testing.T) {
			r := newVerifyRigWith(t, traps, more...)
			exit := 4
			if id == "" {
				exit = 0
			}
			r.run(exit, "verify")
			want := allEqual(was, now)
			if now == "made by the target" && was != "" { // all of them
				want = map[string]int64{now: live, "deleted and gone": 2}
			}
			r.classes("export", want)
			if found := r.findings(); id != "" && (len(found) != 1 || found[0].ID != id || found[0].Class != now) {
				t.Errorf("%+v", found)
			}
			if got := strings.Join(r.named("export", id), "|"); got != named {
				t.Errorf("%q", got)
			}
			r.run(counts, "verify", "--mode", "counts")
		})
	}
	f("a changed field (WV4)", healthlaketest.Traps{Rewrite: replace(patient(1), `"given"`, `"prefix"`)}, "equal", "different", id("1"), 0,
		"Patient.name[0].given: missing in target, Patient.name[0].prefix: added in target")
	f("a lost digit (WV6)", healthlaketest.Traps{Rewrite: replace("Observation/"+id("101"), "1.2345678901234567891", "1.2345678901234567")},
		"equal", "different", id("101"), 0, "Observation.multipleBirthInteger: changed digits")
	f("another spelling of a number (WV6)", healthlaketest.Traps{Rewrite: replace("Observation/"+id("101"), "1.2345678901234567891", "12345678901234567891e-19")},
		"equal", "equal up to number form", "", 0, "")
	f("a truncated Binary (WV1)", healthlaketest.Traps{Rewrite: replace("Binary/"+id("100"), "QUJDQUJD", "QUJD")}, "equal", "different", id("100"), 0, "Binary.data: truncated (target shorter)")
	f("a last version that was refused (WV2, WI7)", healthlaketest.Traps{Refuse: func(key string, body []byte) string {
		if key == patient(3) && strings.Contains(string(body), `"multipleBirthInteger":3`) {
			return "because of " + recordstest.Canary
		}
		return ""
	}}, "equal", "known stale", id("3"), 0, "", "--target.healthlake.on_import_error=continue")
	f("resources that the data store derives", healthlaketest.Traps{Derive: func(key string, _ []byte) [][]byte {
		if key != patient(1) {
			return nil
		}
		return [][]byte{[]byte(`{"resourceType":"Observation","id":"nlp","meta":{"tag":[{"display":"SYSTEM_GENERATED"}]}}`)}
	}}, "", "made by the target", "", 4, "")
	f("minimal validation", healthlaketest.Traps{}, "equal", "made by the target", "", 0, "", "--target.healthlake.validation=minimal")
}
