package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// toolAt is where newFoldersRig has folders of the FHIR Works tool.
const toolAt = "exports/clinic/7f3c-job"

// newFoldersRig has folders as the tool writes them, in one file of each version:
// of 40 patients each version but the last is tagged DELETED (WI9), and of the first
// ten the last one, too. Files have blank lines (WB3), Binary-v1 has no number, and
// something lies beside them that is not named (WE6). The caps are smaller than the
// tool's files, which break the quotas of HealthLake.
func newFoldersRig(t *testing.T) *importRig {
	t.Helper()
	r := newImportRig(t, healthlaketest.Traps{})
	r.jobFile = strings.Replace(importJobFile, "{binaries: none, dynamodb_export: {location: export}}",
		"{tenant: clinic, s3: {path_style: true}, fhirworks_folders: {location: s3://bucket/"+toolAt+"}}", 1)
	r.jobFile = strings.Replace(r.jobFile, "kms_key: key", "kms_key: key, quotas: {file_size: 4KB, job_size: 9KB, files_per_job: 4}", 1) +
		"layout: {max_file_size: 4KB, max_folder_size: 9KB, max_folder_files: 4}\nverify: {export_to: s3://bucket/verification}\n"
	files := map[string]string{
		"Binary-v1/Binary-v1-00000.ndjson": `{"resourceType":"Binary","id":"` + recordstest.Canary + `-b","meta":{"versionId":"1"},"contentType":"a/b","data":"QUJD"}` + "\n\n",
	}
	for v := 1; v <= 3; v++ {
		name := fmt.Sprintf("v%d-0/Patient-v%[1]d-00000.ndjson", v)
		for n := range 40 {
			files[name] += toolPatient(n, v, v < 3 || n < 10) + "\n"
		}
		files[name] += "\n"
	}
	names := map[string][]string{}
	for name, content := range files {
		r.memory.Put(toolAt+"/"+name, []byte(content))
		names[path.Dir(name)] = append(names[path.Dir(name)], "clinic/7f3c-job/"+name)
	}
	r.memory.Put(toolAt+"/part-00003", []byte("left behind"))
	r.announceFolders(names)
	return r
}

func (r *importRig) announceFolders(names map[string][]string) {
	r.Helper()
	text, err := json.Marshal(map[string]any{"jobId": "7f3c-job", "file_names": names})
	if err != nil {
		r.Fatal(err)
	}
	r.memory.Put(toolAt+"/migration_output.json", text)
}

// toolPatient is a line of the tool.
func toolPatient(n, version int, deleted bool) string {
	tags := fmt.Sprintf(`{"display":"2024-01-0%dT00:00:00.000Z","code":"originalLastUpdated"}`, version)
	if deleted {
		tags += `,{"display":"DELETED","code":"DELETED"}`
	}
	return fmt.Sprintf(`{"resourceType":"Patient","id":"%s-%d","meta":{"versionId":"%d","lastUpdated":"2024-01-0%[3]dT00:00:00.000Z","tag":[%s]},"multipleBirthInteger":%[3]d.0}`,
		recordstest.Canary, n, version, tags)
}

// TestMigrateFolders: folders of the FHIR Works tool that break the quotas come to a
// verified data store by the way of a table's export: sharded anew, deletes applied,
// nothing left open, and themselves untouched, after clean too.
func TestMigrateFolders(t *testing.T) {
	r := newFoldersRig(t)
	r.run(0, "check")
	r.says("4 files", "what migration_output.json does not name and is not moved: 1 file, 11 B; the first is part-00003")
	if strings.Contains(r.out.String(), "source.binaries") {
		t.Errorf("Binaries bear their contents: %s", r.out.String())
	}
	before := r.under(toolAt)
	r.run(0, "migrate")
	r.says("121 written", "SAFE TO CUT OVER: yes")
	want := []string{"Binary/" + recordstest.Canary + "-b"}
	for n := 10; n < 40; n++ {
		want = append(want, patientKey(n))
	}
	slices.Sort(want)
	r.holds(want)
	folders := 0
	for key, size := range r.under("out/clinic/a") {
		if strings.HasSuffix(key, "migration_output.json") {
			folders++
		}
		if strings.Contains(key, "/v") && size > 4000 {
			t.Errorf("%s has %d bytes", key, size)
		}
	}
	if folders != 1 || r.starts() < 6 {
		t.Errorf("%d announcements, %d import jobs", folders, r.starts())
	}
	r.run(0, "report")
	r.says("SAFE TO CUT OVER: yes", "s3://bucket/"+toolAt)
	r.run(0, "clean", "--yes")
	for key, size := range before {
		if r.under(toolAt)[key] != size {
			t.Errorf("clean has touched %s", key)
		}
	}
}

// under lists the bytes of the objects below a prefix by key.
func (r *importRig) under(prefix string) map[string]int {
	all := map[string]int{}
	for key, content := range r.memory.Objects() {
		if strings.HasPrefix(key, prefix+"/") {
			all[key] = len(content)
		}
	}
	return all
}

// TestMoveFolders: what keeps a move of folders from beginning, and what of it goes to
// quarantine.
func TestMoveFolders(t *testing.T) {
	r := newFoldersRig(t)
	f := func(code int, words string, args ...string) {
		t.Helper()
		r.run(code, append([]string{"move"}, args...)...)
		r.says(words)
	}
	f(2, "such folders are of one tenant", "--source.tenant=*")
	f(2, "not those of source.tenant", "--source.tenant=other")
	f(2, "the Binaries of such folders bear theirs", "--source.binaries=s3://contents/x")
	f(2, "are both set", "--source.dynamodb_export.location=export")
	f(2, "lie within one another", "--sink.location=s3://bucket/"+toolAt)
	f(2, "the location must be the folder that holds migration_output.json", "--source.fhirworks_folders.location=s3://bucket/exports")
	r.run(0, "export")
	r.says("nothing to export")
	r.announceFolders(map[string][]string{"v1-0": {"clinic/7f3c-job/v1-0/Patient-v1-00000.ndjson", "clinic/7f3c-job/v1-0/Goal-v1-00000.ndjson"}})
	f(7, "Goal-v1-00000.ndjson")
	r.says("the FHIR Works tool loses files")
	r.announceFolders(map[string][]string{"v1-0": {"clinic/7f3c-job/v1-0/Patient-v1-00000.ndjson"}, "v2-0": {"clinic/7f3c-job/v2-0/Patient-v1-00001.ndjson"}})
	r.memory.Put(toolAt+"/v2-0/Patient-v1-00001.ndjson", []byte(toolPatient(90, 1, false)+"\n"+toolPatient(91, 2, false)))
	f(3, "41 written, 0 filtered, 1 quarantined")
	r.run(4, "report")
	r.says("bad-version")
}

// TestImportFromIsGone: whoever types the flag of before is told what to write.
func TestImportFromIsGone(t *testing.T) {
	r := newFoldersRig(t)
	r.run(2, "import", "--from", "s3://bucket/"+toolAt)
	r.says("source: {fhirworks_folders: {location: s3://bucket/" + toolAt + "}}")
	if r.starts() != 0 {
		t.Error("it imported")
	}
}

// TestToolsOwnVariables: the tool's .env names a bucket of Binaries, which such
// folders do not need.
func TestToolsOwnVariables(t *testing.T) {
	r := newFoldersRig(t)
	if err := os.WriteFile(filepath.Join(r.dir, ".env"), []byte("BINARY_BUCKET_NAME=contents\nMIGRATION_TENANT_ID=clinic\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(0, "move")
}
