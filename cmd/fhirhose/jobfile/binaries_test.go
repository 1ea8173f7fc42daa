package jobfile

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

func TestSourceBinaries(t *testing.T) {
	for name, c := range map[string]struct {
		flags map[string]string
		env   string
		rows  BinaryRows
		at    string // of a directory: below the job file's
	}{
		"unset":              {nil, "", BinariesUnset, ""},
		"none":               {map[string]string{"source.binaries": "none"}, "", BinariesNone, ""},
		"bucket":             {map[string]string{"source.binaries": "s3://bkt/p/"}, "", BinariesFetch, "s3://bkt/p"},
		"directory":          {map[string]string{"source.binaries": "contents"}, "", BinariesFetch, "contents"},
		"directory none":     {map[string]string{"source.binaries": "./none"}, "", BinariesFetch, "none"},
		"of one tenant":      {map[string]string{"source.binaries": "s3://bkt", "source.tenant": "a"}, "", BinariesFetch, "s3://bkt"},
		"FHIR Works":         {nil, "BINARY_BUCKET_NAME=theirs", BinariesFetch, "s3://theirs"},
		"ours before theirs": {map[string]string{"source.binaries": "none"}, "BINARY_BUCKET_NAME=theirs", BinariesNone, ""},
	} {
		job, dir, err := load(t, map[string]string{"job.yaml": minimal, ".env": c.env}, nil, c.flags)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := c.at
		if want != "" && !strings.HasPrefix(want, "s3://") {
			want = filepath.Join(dir, want)
		}
		if s := job.Source; s.BinaryRows != c.rows || s.Binaries.String() != want || s.BinaryField != "data" || s.RecoverDeleted {
			t.Errorf("%s: got %+v, want %s in %q", name, s, c.rows, want)
		}
	}
}

// TestBinariesApart: a listing of contents never meets what the job writes.
func TestBinariesApart(t *testing.T) {
	for _, c := range []struct{ binaries, sink, with string }{
		{"out/clinic-a/x", "out", "the output below sink.location"},
		{".", "out", "the output below sink.location"},
		{"s3://bkt", "s3://bkt/out", "the output below sink.location"},
		{"state/in", "out", "state"},
		{"s3://bulk/export", "out", "source.dynamodb_export.location"},
		{"out/other", "out", ""},
		{"s3://bkt/contents", "s3://bkt/out", ""},
	} {
		_, _, err := load(t, map[string]string{"job.yaml": minimal}, nil, map[string]string{"source.binaries": c.binaries, "sink.location": c.sink})
		want := "source.binaries and " + c.with + " lie within one another"
		if c.with == "" && err != nil || c.with != "" && (err == nil || !strings.Contains(err.Error(), want) || pipeline.HintOf(err) == "") {
			t.Errorf("%s: got %v, want %q", c.binaries, err, c.with)
		}
	}
	all := &Job{Name: "a", State: "/state", Source: Source{Tenant: "*", Binaries: Location{Dir: "/out/tenant"}}, Sink: Sink{Location: Location{Dir: "/out"}}}
	if err := binariesApart(all); err == nil {
		t.Error("contents may lie in a tenant's folder")
	}
}

func TestMaxBinaryFileSize(t *testing.T) {
	f := func(flags map[string]string, want int64, problem string) {
		t.Helper()
		job, _, err := load(t, map[string]string{"job.yaml": minimal}, nil, flags)
		switch {
		case problem != "" && (err == nil || !strings.Contains(err.Error(), problem)):
			t.Errorf("%v: got %v", flags, err)
		case problem == "" && (err != nil || job.Layout.MaxBinaryFileSize != want):
			t.Errorf("%v: got %+v, %v", flags, job, err)
		}
	}
	f(nil, 512_000_000, "")
	f(map[string]string{"layout.max_file_size": "1MB"}, 1_000_000, "")
	f(map[string]string{"layout.max_binary_file_size": "5GB"}, 5_000_000_000, "")
	f(map[string]string{"layout.max_binary_file_size": "501GB"}, 0, "layout.max_binary_file_size: is larger than layout.max_folder_size")
	f(map[string]string{"layout.max_binary_file_size": "0"}, 0, "is less than the least")
}

func TestWarningsOfBinaries(t *testing.T) {
	for _, c := range []struct {
		flags map[string]string
		want  string
	}{
		{map[string]string{"source.binaries": "s3://bkt"}, ""},
		{map[string]string{"source.binaries": "s3://bkt", "source.types": "Binary,Patient"}, ""},
		{map[string]string{"source.binaries": "s3://bkt", "source.types": "Patient"}, "source.binaries has no use"},
		{map[string]string{"source.binaries": "none", "source.types": "Patient"}, ""},
		{map[string]string{"source.binaries": "none", "source.recover_deleted": "true"}, "no use without source.binaries"},
		{map[string]string{"source.binaries": "s3://bkt", "source.recover_deleted": "true", "source.deleted": "false"}, "source.deleted leaves out"},
		{map[string]string{"source.binaries": "s3://bkt", "source.recover_deleted": "true"}, ""},
		{map[string]string{"source.binaries": "s3://bkt", "layout.max_binary_file_size": "5.1GB"}, "max_binary_file_size is over target.healthlake.quotas.file_size"},
		{map[string]string{"layout.max_file_size": "6GB"}, "max_file_size is over target.healthlake.quotas.file_size"},
	} {
		job, _, err := load(t, map[string]string{"job.yaml": minimal}, nil, c.flags)
		if err != nil {
			t.Errorf("%v: %v", c.flags, err)
			continue
		}
		if got := strings.Join(job.Warnings, "\n"); c.want == "" && got != "" || len(job.Warnings) > 1 || !strings.Contains(got, c.want) {
			t.Errorf("%v: got %q, want %q", c.flags, got, c.want)
		}
	}
}
