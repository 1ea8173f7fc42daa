package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

const fromFolder = "s3://bucket/tenant/7f3c-job/"

// newFromRig has folders as the FHIR Works tool writes them: Binary-v1 without a
// number, files without a newline at their end, meta.tag that says DELETED of what
// was superseded (WI9) or is not there (WI10).
func newFromRig(t *testing.T, traps healthlaketest.Traps) *importRig {
	t.Helper()
	r := newImportRig(t, traps)
	r.jobFile = "job: a\nlimits: {memory: 128MiB}\nhttp: {listen: \"\"}\nsink: {s3: {path_style: true}}\n" + importJobFile[strings.Index(importJobFile, "target:"):]
	files := map[string]string{}
	for v := 1; v <= 11; v++ {
		for n := range 2 {
			name := fmt.Sprintf("v%d-0/Patient-v%d-%05d.ndjson", v, v, n)
			files[name] = fmt.Sprintf(`{"resourceType":"Patient","id":"%s-%d","multipleBirthInteger":%d,"meta":{"tag":[{"code":"DELETED","display":"DELETED"}]}}`, recordstest.Canary, n, v)
		}
		files[fmt.Sprintf("v%d-0/Patient-v%d-00001.ndjson", v, v)] += fmt.Sprintf("\n"+`{"resourceType":"Patient","id":"%s-2","multipleBirthInteger":%d}`+"\n\n", recordstest.Canary, v)
	}
	files["v1-1/Patient-v1-00000.ndjson"] = `{"resourceType":"Patient","id":"more"}`
	files["Binary-v1/Binary-v1-00000.ndjson"] = `{"resourceType":"Binary","id":"b"}` + "\n"
	names := map[string][]string{}
	for name, content := range files {
		r.memory.Put("tenant/7f3c-job/"+name, []byte(content))
		folder, _, _ := strings.Cut(name, "/")
		names[folder] = append(names[folder], "tenant/7f3c-job/"+name)
	}
	r.announce(names)
	return r
}

func (r *importRig) announce(names map[string][]string) {
	r.Helper()
	text, err := json.Marshal(map[string]any{"jobId": "7f3c-job", "file_names": names})
	if err != nil {
		r.Fatal(err)
	}
	r.memory.Put("tenant/7f3c-job/migration_output.json", text)
}

// TestImportFrom: folders of the FHIR Works tool are imported in the order of their
// versions, once, across a stop, and nothing is deleted.
func TestImportFrom(t *testing.T) {
	r := newFromRig(t, healthlaketest.Traps{})
	stopped := false
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "StartFHIRImportJob" && c.N == 4 && !stopped {
				stopped = true
				r.signals <- os.Signal(syscall.SIGTERM)
				return healthlaketest.Lost
			}
			return healthlaketest.NoFault
		}
	})
	r.run(143, "import", "--from", fromFolder)
	r.says("--from s3://bucket/tenant/7f3c-job goes on from here")
	r.run(0, "import", "--from", fromFolder)
	r.says("job a: 13 of 13 folders imported", "35 imported, 0 refused", "nothing was deleted, and nothing can be verified")
	for _, violation := range r.simulation.Violations() {
		t.Error(violation)
	}
	r.run(0, "import", "--from", fromFolder, "--json")
	var s importSummary
	if err := json.Unmarshal(r.out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, f := range s.Stores[0].Folders {
		order = append(order, f.Folder)
	}
	if want := strings.Fields("Binary-v1 v1-0 v1-1 v2-0 v3-0 v4-0 v5-0 v6-0 v7-0 v8-0 v9-0 v10-0 v11-0"); !slices.Equal(order, want) {
		t.Errorf("order %q", order)
	}
	store, err := healthlake.Open(t.Context(), healthlake.Options{Datastore: healthlaketest.DatastoreID, RequestsPerSecond: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		history, err := store.History(t.Context(), "Patient", fmt.Sprintf("%s-%d", recordstest.Canary, n))
		if err != nil || len(history) != 11 || !strings.Contains(string(history[0].Body), `"multipleBirthInteger":11`) {
			t.Errorf("%d versions of %d: %v", len(history), n, err)
		}
	}
	if _, err := os.Stat(filepath.Join(r.dir, "state", "checkpoint.db")); err != nil {
		t.Error(err)
	}
	r.announce(map[string][]string{"v1-0": {"tenant/7f3c-job/v1-0/Patient-v1-00000.ndjson"}})
	r.run(10, "import", "--from", fromFolder)
	r.says("migration_output.json was")
}

// TestImportFromIsRefused: what is not as migration_output.json says, or over the
// quotas (WI8), is not sent (WE3, WE6).
func TestImportFromIsRefused(t *testing.T) {
	r := newFromRig(t, healthlaketest.Traps{})
	f := func(code int, words string, args ...string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(r.dir, "state")); err != nil {
			t.Fatal(err)
		}
		r.run(code, append([]string{"import", "--from", fromFolder}, args...)...)
		r.says(words)
	}
	f(2, "prepare the import of v1-0: it has 2 files, and HealthLake takes 1", hl+"quotas.files_per_job=1")
	r.says("have fhirhose move write the folders")
	f(2, "prepare the import of Binary-v1: it has a file of", hl+"quotas.file_size=30")
	f(2, "is a directory", "--from", "folders")
	f(2, `source.tenant: is "*"`, "--source.tenant=*")
	f(2, "target.healthlake.role_arn: is missing", hl+"role_arn=")

	objects := r.memory.Objects()
	const key = "tenant/7f3c-job/v2-0/Patient-v2-00000.ndjson"
	r.memory.Delete(key)
	f(7, "v2-0/Patient-v2-00000.ndjson: it is not there, and migration_output.json names it") // WE3
	r.memory.Put(key, objects[key])
	r.memory.Put("tenant/7f3c-job/v2-0/stranger.ndjson", nil)
	f(7, "1 that nobody has moved") // WE6
	r.memory.Delete("tenant/7f3c-job/v2-0/stranger.ndjson")

	names := map[string][]string{"v1-0": {"tenant/7f3c-job/v1-0/Patient-v1-00000.ndjson"}}
	for words, spoil := range map[string]func(map[string][]string){
		"names no folders":               func(n map[string][]string) { clear(n) },
		"none of a version":              func(n map[string][]string) { n["../v1"] = nil },
		"does not lie in it":             func(n map[string][]string) { n["v2-0"] = n["v1-0"] },
		"names a file of folder v1-0 tw": func(n map[string][]string) { n["v1-0"] = append(n["v1-0"], n["v1-0"]...) },
	} {
		spoiled := maps.Clone(names)
		spoil(spoiled)
		r.announce(spoiled)
		f(2, words)
	}
	r.memory.Delete("tenant/7f3c-job/migration_output.json")
	f(2, "there is no migration_output.json")
	if n := r.starts(); n != 0 {
		t.Errorf("%d jobs", n)
	}
}
