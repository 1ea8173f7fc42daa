package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// unauditedVerbs change nothing of a job and send nothing of it.
var unauditedVerbs = []string{"check", "status", "report", "audit", "demo", "version", "settings", "completion", "help", "iam", "find", "quarantine", "quarantine list", "quarantine show", "serve"}

// TestEveryVerbIsDecidedAbout: a new verb says whether it leaves a trail.
func TestEveryVerbIsDecidedAbout(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if verb := verbOf(sub); slices.Contains(auditedVerbs, verb) == slices.Contains(unauditedVerbs, verb) {
				t.Errorf("is %q audited, or not?", verb)
			}
			walk(sub)
		}
	}
	walk(newRoot(&process{}, &stopping{}))
}

// entries reads the log of a job, which must chain.
func entries(t *testing.T, dir string) (all []audit.Entry) {
	t.Helper()
	if _, err := audit.Read(filepath.Join(dir, "state", audit.File), func(e *audit.Entry) error { all = append(all, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTrail: each verb that changes or sends leaves its start and end, with who,
// where, with what and how it ended; a verb that reads leaves nothing. Nothing in
// it is a value or an id (I10). A copy is beside the output once it was sent, and
// not before (I3).
func TestTrail(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.moved()
	copies := func() (found []string) {
		for key := range r.memory.Objects() {
			if strings.Contains(key, "/_fhirhose/audit/") {
				found = append(found, key)
			}
		}
		return found
	}
	if found := copies(); found != nil {
		t.Errorf("after the move: %v", found)
	}
	r.run(0, "status")
	r.run(0, "import", "--target.healthlake.validation=minimal")
	r.run(2, "move", "--restart", "--yes")
	log := entries(t, r.dir)
	type line struct {
		event audit.Event
		verb  string
	}
	var lines []line
	for _, e := range log {
		if e.Event != audit.EventNote {
			lines = append(lines, line{e.Event, e.Verb})
		}
	}
	if want := []line{{"start", "move"}, {"end", "move"}, {"start", "import"}, {"end", "import"}, {"start", "move"}, {"end", "move"}}; !slices.Equal(lines, want) {
		t.Errorf("%v", lines)
	}
	start := log[0].Start
	if start.Job != "a" || start.PID != os.Getpid() || start.User == "" || len(start.Binary) != 64 || start.Principal.ARN != "unknown: the services are not those of AWS" {
		t.Errorf("%+v", start)
	}
	if start.Settings["target.healthlake.validation"] != "strict" || start.Settings["layout.lanes"] != "16" {
		t.Errorf("%v", start.Settings)
	}
	if !slices.Contains(start.Places, audit.Place{Setting: "sink.location", Name: "s3://bucket/out"}) ||
		!slices.Contains(start.Places, audit.Place{Setting: "target.healthlake.role_arn", Name: "arn:aws:iam::123456789012:role/r", Account: "123456789012"}) {
		t.Errorf("%+v", start.Places)
	}
	last := log[len(log)-1]
	if last.End.Exit != 2 || !strings.Contains(last.End.Error, "its folders were sent to a target") {
		t.Errorf("%+v", last.End)
	}
	for _, e := range log {
		if e.Event == audit.EventStart && e.Seq > 1 && e.Verb == "move" && (e.Start.Flags["restart"] != "true" || e.Start.Flags["yes"] != "true") {
			t.Errorf("%+v", e.Start.Flags)
		}
		if e.Event == audit.EventStart && e.Verb == "import" && e.Start.Flags["target.healthlake.validation"] != "minimal" {
			t.Errorf("%+v", e.Start.Flags)
		}
	}
	found := copies()
	if len(found) != 1 {
		t.Fatalf("after the import: %v", found)
	}
	content, _ := os.ReadFile(filepath.Join(r.dir, "state", audit.File))
	object := r.memory.Objects()[found[0]]
	if !bytes.HasPrefix(content, object) || !bytes.Contains(object, []byte(`"verb":"import","end":{"exit":0`)) {
		t.Errorf("%s holds %s", found[0], object)
	}
	if recordstest.HoldsCanary(content) {
		t.Errorf("a value: %s", content)
	}
	r.run(0, "import")
	if found := copies(); len(found) != 2 {
		t.Errorf("after another import: %v", found)
	}
}

// TestNotes: what a verb did is written when it did it.
func TestNotes(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.moved().run(0, "import")
	notes := map[string]string{}
	for _, e := range entries(t, r.dir) {
		if e.Note != nil {
			notes[e.Verb+" "+e.Note.Key] = string(e.Note.Value)
		}
	}
	var moved struct{ Read, Written int64 }
	if err := json.Unmarshal([]byte(notes["move records"]), &moved); err != nil || moved.Read != lines || moved.Written != lines {
		t.Errorf("%v", notes)
	}
	var imported struct{ Imported, Refused int64 }
	if err := json.Unmarshal([]byte(notes["import folders"]), &imported); err != nil || imported.Imported != lines {
		t.Errorf("%v", notes)
	}
}

// TestBrokenLogStopsEveryVerb: nothing is done that could not be told of.
func TestBrokenLogStopsEveryVerb(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.moved()
	path := filepath.Join(r.dir, "state", audit.File)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(content, []byte(`"verb":"move"`), []byte(`"verb":"none"`), 1)
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(7, "import")
	r.says("the audit log is not as it was written: line 2", "keep it under another name")
	if n := r.starts(); n != 0 {
		t.Errorf("%d jobs were started", n)
	}
	if err := os.Rename(path, path+".kept"); err != nil {
		t.Fatal(err)
	}
	r.run(0, "import")
	if log := entries(t, r.dir); log[0].Verb != "import" {
		t.Errorf("%+v", log[0])
	}
}

// TestRestartKeepsTheTrail: evidence outlives what it tells of.
func TestRestartKeepsTheTrail(t *testing.T) {
	c := newCage(t, []string{recordstest.CanaryRow(1)})
	c.run("move")
	if code := c.run("move", "--restart", "--yes"); code != 0 {
		t.Fatal(c.out.String())
	}
	log := entries(t, c.dir)
	var removed bool
	for _, e := range log {
		removed = removed || e.Note != nil && e.Note.Key == "restart removes" && bytes.Contains(e.Note.Value, []byte(`"files":`))
	}
	if log[0].Verb != "move" || log[0].Start.Flags["restart"] != "" || !removed {
		t.Errorf("%+v", log)
	}
}

// TestUntoldEnd: a verb whose end cannot be told does not end well.
func TestUntoldEnd(t *testing.T) {
	dir := t.TempDir()
	broken := &trail{log: audit.New(filepath.Join(dir, "file", audit.File)), verb: "move"}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := &cli{process: &process{stderr: &said}, stopping: &stopping{}, trail: broken}
	c.note("n", 1)
	if err := c.endAudit(t.Context(), nil); pipeline.KindOf(err) != pipeline.KindConfig {
		t.Error(err)
	}
	own := errors.New("its own")
	c.trail = broken
	if err := c.endAudit(t.Context(), own); !errors.Is(err, own) || !strings.Contains(said.String(), "error: write "+dir) {
		t.Errorf("%v, said %s", err, &said)
	}
	c.note("after the end", 1) // there is no log: nothing
}

// TestIdentity: AWS is asked who we are, and whatever it answers the verb goes on.
func TestIdentity(t *testing.T) {
	const arn = "arn:aws:sts::123456789012:assumed-role/Migrator/session"
	answer, status := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>`+arn+
		`</Arn><UserId>x</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Err() == nil && status > 0 {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(answer))
			return
		}
		<-r.Context().Done()
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": "/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_STS": server.URL, "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
	} {
		t.Setenv(name, value)
	}
	settings := map[string]string{"sink.location": "s3://b", "sink.region": "eu-west-1"}
	f := func(want string) {
		t.Helper()
		if who, _ := identity(t.Context(), settings); who.ARN != want || (who.Account == "123456789012") != (want == arn) {
			t.Errorf("%+v, want %s", who, want)
		}
	}
	f(arn)
	answer, status = `<ErrorResponse><Error><Code>AccessDenied</Code><Message>`+canary+`</Message></Error></ErrorResponse>`, 403
	f("unknown: refused")
	settings["sink.region"] = ""
	f("unknown: no region")
	settings["sink.location"] = "out"
	f("unknown: AWS is not used")
	settings["sink.location"], settings["sink.region"] = "s3://b", "eu-west-1"
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	f("unknown: no credentials")
	t.Setenv("AWS_ENDPOINT_URL_STS", "")
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000")
	f("unknown: the services are not those of AWS")
	t.Setenv("AWS_ENDPOINT_URL_S3", "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com")
	f("unknown: no credentials")
	t.Setenv("AWS_ENDPOINT_URL_S3", "")
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if who, _ := identity(ctx, settings); !strings.HasPrefix(who.ARN, "unknown: ") {
		t.Error(who)
	}
}

// TestAuditCopies: a verb copies what came since the last copy, so that all of them
// together are the log once; one that could not be made is in the next.
func TestAuditCopies(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.moved()
	for range 3 {
		r.run(0, "import")
	}
	folder := "out/a/" + auditFolder
	copies := func() (all []byte, n int) {
		objects := r.memory.Objects()
		for _, key := range slices.Sorted(maps.Keys(objects)) {
			if strings.HasPrefix(key, folder) {
				all, n = append(all, objects[key]...), n+1
			}
		}
		return all, n
	}
	path := filepath.Join(r.dir, "state", audit.File)
	same := func(want int) {
		t.Helper()
		log, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if all, n := copies(); n != want || !bytes.Equal(all, log) {
			t.Errorf("%d copies of %d bytes, want %d of %d", n, len(all), want, len(log))
		}
	}
	same(3)
	r.run(0, "audit", "--copies")
	r.says("3 objects in the sink: each is a part of it; 0 lines in none", "the chain is whole; its head, of ")
	s, err := audit.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	last := "out/a/" + copyName(len(s.Lines), s.SHA256)
	was := r.memory.Objects()[last]
	r.memory.Remove(last) // as if it had not been made
	r.run(0, "audit", "--copies")
	r.says("2 objects in the sink", "lines in none")
	r.run(0, "import")
	same(3)

	// What somebody puts in there, or cuts off here, is found.
	r.memory.Put(last, bytes.Replace(was, []byte(`"import"`), []byte(`"export"`), 1))
	r.run(7, "audit", "--copies")
	r.says("the sink has a copy that is no part of it, " + filepath.Base(last))
	r.memory.Put(last, was)
	r.run(0, "audit", "--copies")
	r.memory.Put(folder+"notes.ndjson", []byte("{}\n"))
	r.run(7, "audit", "--copies")
	r.memory.Remove(folder + "notes.ndjson")
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := log[:bytes.LastIndexByte(log[:len(log)-1], '\n')+1]
	if err := os.WriteFile(path, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(0, "audit") // the chain alone cannot tell
	r.run(7, "audit", "--copies")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.run(2, "audit")
	r.says("there is none")
	r.run(7, "audit", "--copies")
}

// TestAuditIsPrinted: line by line, as far as the chain is whole, and the line that
// breaks it is named. What a forger writes does not reach the terminal as it is.
func TestAuditIsPrinted(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.moved().run(0, "import", "--target.healthlake.validation=minimal")
	path := filepath.Join(r.dir, "state", audit.File)
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r.run(0, "audit")
	r.says("     1  20", "  move              start  by unknown: the services are not those of AWS, ", `records {"`, "exit 0 after ",
		"--target.healthlake.validation=minimal", fmt.Sprintf("%d lines, the chain is whole", bytes.Count(log, []byte("\n"))))
	r.run(0, "audit", "--json")
	if !bytes.Equal(r.out.Bytes(), log) {
		t.Errorf("not as it stands: %s", r.out.String())
	}
	forge := func(old, changed string) {
		t.Helper()
		if err := os.WriteFile(path, bytes.Replace(log, []byte(old), []byte(changed), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	forge(`"verb":"import"`, `"verb":"export"`)
	r.run(7, "audit")
	r.says("the audit log is not as it was written: line 5 does not hold the SHA-256 of the line before it", "     4  20")
	if strings.Contains(r.out.String(), "     5  20") || strings.Contains(r.out.String(), "whole") {
		t.Error(r.out.String())
	}
	r.run(7, "audit", "--json")
	forge(`"verb":"move"`, `"verb":"\u001b[2J"`)
	r.run(7, "audit")
	if strings.Contains(r.out.String(), "\x1b") {
		t.Error("it reached the terminal")
	}
	if err := os.WriteFile(path, append(log, `{"v":1`...), 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(0, "audit")
	r.says("A killed process left 6 bytes of a line")
}
