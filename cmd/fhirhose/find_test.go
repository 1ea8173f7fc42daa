package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/find"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// ask runs find over what stdin asks, and returns the answers. Only stdout may
// hold ids.
func (r *importRig) ask(want int, stdin string, args ...string) []find.Answer {
	r.Helper()
	r.out.Reset()
	r.err.Reset()
	code := run(context.Background(), process{
		args: append([]string{"find", "--json", "--log-level", "debug", "-c", filepath.Join(r.dir, "fhirhose.yaml")}, args...), stdin: strings.NewReader(stdin),
		stdout: &r.out, stderr: &r.err, setenv: os.Setenv, environ: os.Environ(), signals: r.signals, open: openMover,
	})
	if code != want {
		r.Fatalf("exit code %d, want %d\n%s%s", code, want, r.out.String(), r.err.String())
	}
	if recordstest.HoldsCanary(r.err.Bytes()) {
		r.Errorf("stderr tells an id:\n%s", r.err.String())
	}
	var answers []find.Answer
	for line := range strings.Lines(r.out.String()) {
		var a find.Answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			r.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers
}

// same compares an answer with what it must be.
func (r *importRig) same(got any, want string) {
	r.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		r.Fatal(err)
	}
	if string(text) != want {
		r.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

// TestFind: of every version its place, its import, its refusal; in the order of the
// questions, and with the export gone.
func TestFind(t *testing.T) {
	refuse := func(key string, body []byte) string {
		if strings.HasSuffix(key, "-1") && strings.Contains(string(body), `"multipleBirthInteger":2`) {
			return "because of " + recordstest.Canary
		}
		return ""
	}
	bad := recordstest.CanaryRow(7, `{"N":"3"}`, `{"N":"`+recordstest.Canary+`"}`, `"vid":{"N":"1"}`, `"vid":{"N":"4"}`)
	r := newImportRig(t, healthlaketest.Traps{Refuse: refuse}, bad, recordstest.CanaryRow(7))
	id := func(n int) string { return fmt.Sprintf("%s-%d", recordstest.Canary, n) }
	r.run(3, "move")
	r.run(3, "import", "--on_quarantine=continue", "--target.healthlake.on_import_error=continue")
	rows := r.exported()
	if err := os.RemoveAll(filepath.Join(r.dir, "export")); err != nil {
		t.Fatal(err)
	}
	questions := strings.Join([]string{"Patient/" + id(1), "", "  " + id(0) + "\r", "Patient/absent", "Observation/" + id(1), "Patient/" + id(7)}, "\n")
	a := r.ask(0, questions)
	if len(a) != 7 { // the id 0 is a Patient, a Binary and an Observation
		t.Fatalf("%d answers: %+v", len(a), a)
	}
	if one := a[0]; one.Fate != "live" || len(one.Versions) != 3 || one.ID != id(1) {
		t.Errorf("%+v", one)
	}
	job := a[0].Versions[0].Import.Job
	r.same(a[0].Versions[0], `{"version":1,"status":"DELETED","last_updated":"2026-01-02T03:04:05.678Z","outcome":"written",`+
		fmt.Sprintf(`"object":%q,"record":%d,"folder":"v1-0",`, a[0].Versions[0].Object, a[0].Versions[0].Record)+
		fmt.Sprintf(`"file":"v1-0/Patient-v1-00000.ndjson","line":%d,"import":{"job":%q,"status":"COMPLETED","done":true}}`, a[0].Versions[0].Line, job))
	if job == "" || job == a[0].Versions[1].Import.Job {
		t.Errorf("jobs %q", job)
	}
	refused := a[0].Versions[1]
	where := filepath.Join(r.dir, "state", "import", "v2-0.failures.ndjson") + ", line 1"
	if refused.Refused == nil || refused.Refused.Where != where || refused.Refused.Perhaps || refused.Import.Status != "COMPLETED_WITH_ERRORS" {
		t.Errorf("%+v", refused)
	}
	for i, want := range []string{"Binary", "Observation", "Patient"} {
		if a[1+i].Type != want || !a[1+i].Ambiguous || a[1+i].Asked != id(0) {
			t.Errorf("%+v", a[1+i])
		}
	}
	r.same(a[4], `{"asked":"Patient/absent","known":false,"type":"Patient","id":"absent"}`)
	if a[5].Known {
		t.Errorf("%+v", a[5])
	}
	bads := a[6].Versions[1]
	if a[6].Fate != "unsettled" || a[6].Holes != 2 || bads.Reason != "bad-number" || bads.Record != 3 || !strings.HasSuffix(bads.Object, ".json.gz") || bads.File != "" {
		t.Errorf("%+v", a[6])
	}
	r.findAgrees(a, rows)
	r.findBeside()
}

// exported reads the rows of every object of the export, by its name.
func (r *importRig) exported() map[string][]string {
	r.Helper()
	rows := make(map[string][]string)
	files, err := filepath.Glob(filepath.Join(r.dir, "export", "data", "*.gz"))
	if err != nil || len(files) == 0 {
		r.Fatal(files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			r.Fatal(err)
		}
		in, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			r.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			r.Fatal(err)
		}
		rows[filepath.Base(name)] = strings.Split(string(text), "\n")
	}
	return rows
}

// findAgrees: the record and the line that are named are the resource's.
func (r *importRig) findAgrees(answers []find.Answer, rows map[string][]string) {
	r.Helper()
	for _, a := range answers {
		for _, v := range a.Versions {
			if row := rows[filepath.Base(v.Object)][v.Record-1]; !strings.Contains(row, a.ID+`"`) || !strings.Contains(row, fmt.Sprintf(`"vid":{"N":"%d"}`, v.Version)) {
				r.Errorf("record %d of %s is not version %d of %s", v.Record, v.Object, v.Version, a.Asked)
			}
			if v.File == "" {
				continue
			}
			lines := strings.Split(string(r.memory.Objects()["out/a/"+v.File]), "\n")
			if !strings.Contains(lines[v.Line-1], a.ID) {
				r.Errorf("line %d of %s is not %s's", v.Line, v.File, a.Asked)
			}
		}
	}
}

// findBeside: another process holds the checkpoint, or there is none.
func (r *importRig) findBeside() {
	r.Helper()
	question := "Patient/" + recordstest.Canary + "-1"
	store, err := checkpoint.Reopen(filepath.Join(r.dir, "state", checkpointFile))
	if err != nil {
		r.Fatal(err)
	}
	if a := r.ask(0, question); len(a) != 1 || a[0].Versions[1].Refused == nil || r.err.Len() > 0 {
		r.Errorf("%+v\n%s", a, &r.err)
	}
	a := r.ask(0, question, "--state="+filepath.Join(r.dir, "nothing"))
	r.says("note: of imports nothing is told")
	if len(a) != 1 || a[0].Versions[1].File == "" || a[0].Versions[1].Import != nil {
		r.Errorf("%+v", a)
	}
	if err := store.Close(); err != nil {
		r.Fatal(err)
	}
	key := "out/a/_fhirhose/claim.json"
	was := r.memory.Objects()[key]
	r.memory.Put(key, []byte("{}"))
	r.ask(11, question)
	r.memory.Put(key, was)
	r.memory.Delete("out/a/_fhirhose/manifest.json")
	r.ask(2, question)
}

// TestFindTakesNoIDsFromTheCommandLine, and tells no line that it cannot read.
func TestFindTakesNoIDsFromTheCommandLine(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{}).moved()
	r.ask(2, "", "Patient/"+recordstest.Canary)
	r.says("others can read a command line", "try: fhirhose find < ids.txt")
	r.ask(2, "", "--tenant="+recordstest.Canary)
	for _, line := range []string{"a/b/c", "patient/x", "Patient/", "two words", strings.Repeat("x", 65), strings.Repeat("x", 9000)} {
		r.ask(2, "Patient/a\n\n"+strings.ReplaceAll(line, "x", recordstest.Canary[:1])+"\n")
		r.says("line 3: it is neither Type/id nor an id")
	}
	if a := r.ask(0, ""); len(a) != 0 {
		t.Errorf("%v", a)
	}
}

// TestFindOfATenant: from a disk, of the tenant that is named and of nobody else.
func TestFindOfATenant(t *testing.T) {
	dir := t.TempDir()
	row := func(tenant, id string) string {
		return recordstest.CanaryRow(0, `"id":{"S":"`+recordstest.Canary+`-0"}`, `"id":{"S":"`+tenant+"|"+id+`"},"_id":{"S":"`+id+`"},"_tenantId":{"S":"`+tenant+`"}`)
	}
	if _, err := generate.WriteObjects(filepath.Join(dir, "export"), [][]string{{row("t1", "a"), row("t2", "a"), row("t2", "b")}}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "fhirhose.yaml")
	text := "job: a\nsource: {tenant: \"*\", binaries: none, dynamodb_export: {location: export}}\nsink: {location: out}\nlimits: {memory: 128MiB}\nhttp: {listen: \"\"}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(want int, stdin string, args ...string) string {
		t.Helper()
		var out, errors lockedBuffer
		code := run(context.Background(), process{
			args: append(args, "-c", file), stdin: strings.NewReader(stdin), stdout: &out, stderr: &errors,
			setenv: os.Setenv, signals: make(chan os.Signal), open: openMover,
		})
		if code != want {
			t.Fatalf("%v: exit code %d\n%s%s", args, code, &out, &errors)
		}
		return out.String() + errors.String()
	}
	f(0, "", "move")
	f(2, "a", "find")
	f(2, "a", "find", "--tenant", "../t1")
	f(2, "a", "find", "--tenant", "t3")
	got := f(0, "a\nPatient/b\n", "find", "--tenant", "t1")
	want := `Patient/a of tenant t1: live: the target must hold its last version
  v1  AVAILABLE  2026-01-02T03:04:05.678Z  v1-0/Patient-v1-00000.ndjson, line 1; record 1 of AWSDynamoDB/01693685810000-00000000/data/46k5cylm6ofhujc2hckqsqikgt.json.gz
Patient/b of tenant t1: the ledger does not know it
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := f(0, "b", "find", "--tenant", "t2"); !strings.Contains(got, "Patient/b of tenant t2: live") || !strings.Contains(got, "line 2; record 3 of ") {
		t.Error(got)
	}
}

// TestFindProof: what verifications found, what became of deletes, and what the data
// store holds now.
func TestFindProof(t *testing.T) {
	gone := func(id string) []string { // a deleted resource of one type
		row := func(v, status string) string {
			return recordstest.CanaryRow(9, `"resourceType":{"S":"Patient"}`, `"resourceType":{"S":"Group"}`, `"id":{"S":"`+recordstest.Canary+`-9"`, `"id":{"S":"`+id+`"`,
				`"vid":{"N":"1"}`, `"vid":{"N":"`+v+`"}`, `"AVAILABLE"`, `"`+status+`"`)
		}
		return []string{row("1", "DELETED"), row("2", "DELETED")}
	}
	r := newImportRig(t, healthlaketest.Traps{}, append(gone("gone"), gone("back")...)...).moved()
	r.run(0, "import")
	id := func(n int) string { return fmt.Sprintf("%s-%d", recordstest.Canary, n) }
	store, err := healthlake.Open(t.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID, RequestsPerSecond: 1000})
	if err != nil {
		t.Fatal(err)
	}
	put := func(kind, id, more string) healthlake.Entry {
		return healthlake.Entry{Method: "PUT", Type: kind, ID: id, Body: []byte(fmt.Sprintf(`{"resourceType":%q,"id":%q%s}`, kind, id, more))}
	}
	if _, err := store.Batch(t.Context(), []healthlake.Entry{put("Patient", "stranger", ""), put("Patient", id(2), `,"gender":"other"`), put("Group", "back", "")}); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(r.dir, "state")
	findings, err := verification.OpenFindings(state, "", verification.Export, 0)
	if err == nil {
		err = findings.Add(&verification.Finding{Class: "different", Type: "Patient", ID: id(2), Object: "Patient-0.ndjson", Line: 3})
	}
	v := verification.New(verification.Export, "", "arn", "root")
	if err == nil {
		v.Findings, err = findings.Close(state)
	}
	if v.Ended = time.Unix(1000, 0).UTC(); err == nil {
		err = v.Save(state)
	}
	if err != nil {
		t.Fatal(err)
	}
	questions := []string{"Patient/" + id(1), "Patient/" + id(2), "Patient/" + id(0), "Group/gone", "Group/back", "Patient/stranger", "Patient/absent"}
	a := r.ask(0, strings.Join(questions, "\n"), "--target")
	got := ""
	for _, one := range a {
		if one.Live != nil {
			got += one.Live.Class + "," + one.Live.Cause
		}
		got += ";"
	}
	// Clocks tell seconds: what was changed within that of the import is not told from what was imported so.
	want := "equal,;CHANGED,;could not be checked,ambiguous id;deleted and gone,;CHANGED,;extra,;;"
	for _, class := range []verify.Class{verify.Different, verify.DeletedPresent, verify.ChangedAfterImport} {
		got = strings.ReplaceAll(got, class.String(), "CHANGED")
	}
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.same(a[1].Verified, `[{"mode":"export","ended":"1970-01-01T00:16:40Z","class":"different","object":"Patient-0.ndjson","line":3}]`)
	r.same([]any{a[0].Deletion, a[2].Deletion, a[3].Deletion}, `[null,{"done":false,"reason":"ambiguous"},{"done":true}]`)
	if text := r.askText("Patient/"+id(2)+"\nGroup/gone\n"+id(0), "--target"); !strings.Contains(text, "  verification export: different; Patient-0.ndjson, line 3; ended 1970-01-01T00:16:40Z\n") ||
		!strings.Contains(text, "  delete applied, or it was gone already\n  the target now: deleted and gone\n") || !strings.Contains(text, "not deleted in the target: ambiguous\n") {
		t.Error(text)
	}
	if _, err := os.Stat(filepath.Join(verification.Dir(state, ""), "find.work")); err == nil {
		t.Error("the work folder is left")
	}
}

// askText is ask without --json.
func (r *importRig) askText(stdin string, args ...string) string {
	r.Helper()
	var out, errors lockedBuffer
	code := run(context.Background(), process{
		args: append([]string{"find", "-c", filepath.Join(r.dir, "fhirhose.yaml")}, args...), stdin: strings.NewReader(stdin),
		stdout: &out, stderr: &errors, setenv: os.Setenv, environ: os.Environ(), signals: r.signals, open: openMover,
	})
	if code != 0 {
		r.Fatalf("exit code %d\n%s", code, &errors)
	}
	return out.String()
}
