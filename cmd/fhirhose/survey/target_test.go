package survey

import (
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// TestJudgeCredentials: WI13. That they end before the import does is said, and no
// problem: they can be renewed.
func TestJudgeCredentials(t *testing.T) {
	for name, o := range map[string]struct {
		credentials healthlake.Credentials
		hours       float64
		want        string
	}{
		"for ever":   {healthlake.Credentials{Source: "s"}, 100, ""},
		"long":       {healthlake.Credentials{Source: "s", Session: true, Expire: time.Now().Add(12 * time.Hour)}, 11, ""},
		"short":      {healthlake.Credentials{Source: "s", Session: true, Expire: time.Now().Add(time.Hour)}, 1.5, "the credentials (s) end at "},
		"of a shell": {healthlake.Credentials{Source: "s", Session: true}, 1.5, "ends nobody knows when, and the import will take about 1.5 hours"},
	} {
		var r Result
		r.JudgeCredentials(o.credentials, o.hours)
		said := strings.Join(r.Warnings, "\n")
		if len(r.Problems) > 0 || (said == "") != (o.want == "") || !strings.Contains(said, o.want) {
			t.Errorf("%s: %q, %v", name, said, r.Problems)
		}
	}
}

// sizes are those of files by name.
type sizes map[string]int64

func (s sizes) files() map[string]TargetFile {
	files := map[string]TargetFile{}
	for name, bytes := range s {
		files[name] = TargetFile{Bytes: bytes}
	}
	return files
}

// TestJudgeFolders: WI8. v1-1 and v1-10 are two folders, folders of Binaries count
// too, and so does each quota, exactly.
func TestJudgeFolders(t *testing.T) {
	q := jobfile.Quotas{FilesPerJob: 2, FileSize: 10, JobSize: 15}
	for name, o := range map[string]struct {
		folders []TargetFolder
		want    string
	}{
		"full": {[]TargetFolder{
			{"v1-1", sizes{"v1-1/a": 10, "v1-1/b": 5}.files()},
			{"v1-10", sizes{"v1-10/a": 10, "v1-10/b": 5}.files()},
		}, ""},
		"many files":      {[]TargetFolder{{"v1-1", sizes{"v1-1/a": 1, "v1-1/b": 1, "v1-1/c": 1}.files()}}, "x/v1-1: it has 3 files"},
		"large file":      {[]TargetFolder{{"v1-1", sizes{"v1-1/a": 11}.files()}}, "x/v1-1: it has a file of"},
		"large folder":    {[]TargetFolder{{"v1-1", sizes{"v1-1/a": 10, "v1-1/b": 6}.files()}}, "x/v1-1: it has 16"},
		"folder Binaries": {[]TargetFolder{{"v1-1", nil}, {"Binary-v1-0", sizes{"Binary-v1-0/a": 11}.files()}}, "x/Binary-v1-0: it has a file of"},
	} {
		var r Result
		r.JudgeFolders(Target{Tenant: "x", Folders: o.folders}, q)
		said := ""
		for _, p := range r.Problems {
			said += p.Error + "\n"
		}
		if (said == "") != (o.want == "") || strings.Count(said, "\n") > 1 || !strings.Contains(said, o.want) {
			t.Errorf("%s: %q", name, said)
		}
	}
}

// TestJudgeResources: WI13. Types and files with a resource over the quota are named;
// without a quota, the largest is told.
func TestJudgeResources(t *testing.T) {
	folders := []TargetFolder{
		{"Binary-v1-0", map[string]TargetFile{"Binary-v1-0/a": {"Binary", 900, 301}, "Binary-v1-0/b": {"Binary", 900, 501}, "Binary-v1-0/c": {"Binary", 900, 101}}},
		{"v1-0", map[string]TargetFile{"v1-0/a": {"Patient", 900, 202}, "v1-0/b": {"Group", 900, 201}}},
	}
	for name, o := range map[string]struct {
		limit   int64
		onError string
		folders []TargetFolder
		problem string
		warning string
		unseen  string
		proved  string
	}{
		"over": {
			limit: 200, folders: folders,
			problem: "resources of type Binary in 2 files are over target.healthlake.quotas.resource_size (200 B); the largest has 500 B, in Binary-v1-0/b\n" +
				"resources of type Patient in 1 file are over target.healthlake.quotas.resource_size (200 B); the largest has 201 B, in v1-0/a",
		},
		"refused alone": {
			limit: 300, onError: "continue", folders: folders,
			warning: "the data store of tenant x: resources of type Binary in 1 file are over target.healthlake.quotas.resource_size (300 B); the largest has 500 B, in Binary-v1-0/b; HealthLake may refuse them",
		},
		"just":     {limit: 500, folders: folders, proved: "the largest resource for the data store of tenant x, 500 B in Binary-v1-0/b, is within target.healthlake.quotas.resource_size"},
		"no limit": {folders: folders, proved: "the largest resource for the data store of tenant x, 500 B in Binary-v1-0/b, is of a size that FHIR Works took in one request"},
		"large": {
			folders: []TargetFolder{{"v1-0", map[string]TargetFile{"v1-0/a": {"Binary", 9_000_000, 5_000_002}}}},
			unseen:  "whether HealthLake takes the largest resource for the data store of tenant x, 5.00 MB in v1-0/a: AWS publishes no limit",
		},
		"unknown": {limit: 1, folders: []TargetFolder{{"v1-0", sizes{"v1-0/a": 900}.files()}}},
	} {
		var r Result
		r.JudgeResources(Target{Tenant: "x", Folders: o.folders}, jobfile.HealthLake{OnImportError: o.onError, Quotas: jobfile.Quotas{ResourceSize: o.limit}})
		var said []string
		for _, p := range r.Errors() {
			said = append(said, strings.TrimPrefix(p.Error(), "prepare the import of: "))
		}
		check := func(what, got, want string) {
			if got != want && (what != "unseen" || want == "" || !strings.HasPrefix(got, want)) {
				t.Errorf("%s, %s: %q, want %q", name, what, got, want)
			}
		}
		check("problem", strings.Join(said, "\n"), o.problem)
		check("warning", strings.Join(r.Warnings, "\n"), o.warning)
		check("unseen", strings.Join(r.Unseen, "\n"), o.unseen)
		check("proved", strings.Join(r.Probes, "\n"), o.proved)
	}
}

// TestJudgeContents: a content is over the quota in base64, before it is moved.
func TestJudgeContents(t *testing.T) {
	for limit, want := range map[int64]string{
		400: "", 0: "",
		399: "the largest content of Binaries to be moved has 400 B in base64, over target.healthlake.quotas.resource_size (399 B): HealthLake may refuse it",
	} {
		r := Result{Contents: &Contents{largestKept: 300}}
		r.JudgeContents(jobfile.Quotas{ResourceSize: limit})
		if said := strings.Join(r.Warnings, ""); said != want {
			t.Errorf("%d: %q", limit, said)
		}
	}
	var r Result
	if r.JudgeContents(jobfile.Quotas{ResourceSize: 1}); len(r.Warnings) > 0 {
		t.Errorf("%q", r.Warnings)
	}
}
