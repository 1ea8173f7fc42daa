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

// TestJudgeFolders: WI8. v1-1 and v1-10 are two folders, folders of Binaries count
// too, and so does each quota, exactly.
func TestJudgeFolders(t *testing.T) {
	q := jobfile.Quotas{FilesPerJob: 2, FileSize: 10, JobSize: 15}
	for name, o := range map[string]struct {
		folders []TargetFolder
		want    string
	}{
		"full": {[]TargetFolder{
			{"v1-1", map[string]int64{"v1-1/a": 10, "v1-1/b": 5}},
			{"v1-10", map[string]int64{"v1-10/a": 10, "v1-10/b": 5}},
		}, ""},
		"many files":      {[]TargetFolder{{"v1-1", map[string]int64{"v1-1/a": 1, "v1-1/b": 1, "v1-1/c": 1}}}, "x/v1-1: it has 3 files"},
		"large file":      {[]TargetFolder{{"v1-1", map[string]int64{"v1-1/a": 11}}}, "x/v1-1: it has a file of"},
		"large folder":    {[]TargetFolder{{"v1-1", map[string]int64{"v1-1/a": 10, "v1-1/b": 6}}}, "x/v1-1: it has 16"},
		"folder Binaries": {[]TargetFolder{{"v1-1", nil}, {"Binary-v1-0", map[string]int64{"Binary-v1-0/a": 11}}}, "x/Binary-v1-0: it has a file of"},
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
