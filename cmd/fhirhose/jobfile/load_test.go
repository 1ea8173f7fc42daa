package jobfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
)

const minimal = `job: clinic-a
source:
  dynamodb_export:
    location: s3://bulk/export/AWSDynamoDB/01
sink:
  location: out
`

// load writes the files into a fresh folder and reads the job there.
func load(t *testing.T, files map[string]string, environ []string, flags map[string]string) (*Job, string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	job, err := Load(Input{
		File: filepath.Join(dir, "job.yaml"), Flags: flags, Environ: environ,
		Setenv: func(string, string) error { return nil },
	})
	return job, dir, err
}

func TestMinimalJobTakesDefaults(t *testing.T) {
	job, dir, err := load(t, map[string]string{"job.yaml": minimal}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Job{
		Name: "clinic-a", State: filepath.Join(dir, "state"),
		OnQuarantine: "stop", Listen: "127.0.0.1:9464", File: filepath.Join(dir, "job.yaml"),
		Layout: Layout{MaxFileSize: 512_000_000, MaxBinaryFileSize: 512_000_000, MaxFolderSize: 500_000_000_000, MaxFolderFiles: 10000, Lanes: 16},
		Limits: Limits{Memory: 512 << 20, Binaries: 32, Spool: 10 << 30},
	}
	if job.Name != want.Name || job.State != want.State || job.Layout != want.Layout || job.Limits != want.Limits ||
		job.OnQuarantine != want.OnQuarantine || job.Listen != want.Listen || job.File != want.File || len(job.Warnings) != 0 {
		t.Errorf("got %+v", job)
	}
	if got := job.Output().String(); got != filepath.Join(dir, "out", "clinic-a") {
		t.Errorf("output %s", got)
	}
	if !job.Source.Deleted || !job.Sink.S3.ConditionalWrites || job.Source.Export.String() != "s3://bulk/export/AWSDynamoDB/01" {
		t.Errorf("source %+v, sink %+v", job.Source, job.Sink)
	}
}

// TestEveryKey sets every key to something else than its default; a key that is
// read but goes nowhere would leave the job as it was.
func TestEveryKey(t *testing.T) {
	values := map[string]string{
		"job": "other", "state": "/elsewhere", "source.dynamodb_export.location": "/export", "source.binaries": "s3://bkt",
		"source.dynamodb_export.table_arn": "arn:aws:dynamodb:us-east-1:123456789012:table/t-1", "source.dynamodb_export.export_to": "s3://exports/p", "source.dynamodb_export.kms_key": "k",
		"source.fhirworks_folders.location": "/folders", "source.binary_field": "content", "source.recover_deleted": "true", "layout.max_binary_file_size": "2MiB", "limits.binaries": "5",
		"source.region": "eu-west-1", "source.tenant": "tenant-1", "source.since": "2026-01-01T00:00:00Z",
		"source.until": "2026-02-01T00:00:00+01:00", "source.types": "Patient,Observation", "source.deleted": "false",
		"source.expected_bucket_owner": "000000000001", "source.s3.path_style": "true", "sink.location": "s3://other/place",
		"sink.region": "eu-west-2", "sink.kms_key": "alias/k", "sink.expected_bucket_owner": "000000000002",
		"sink.s3.path_style": "true", "sink.s3.request_checksums": "when_required", "sink.s3.conditional_writes": "false",
		"layout.max_file_size": "1MiB", "layout.max_folder_size": "2GiB", "layout.max_folder_files": "7", "layout.lanes": "3",
		"limits.memory": "1GiB", "limits.workers": "2", "limits.spool": "1GB", "limits.bandwidth": "10MB",
		"target.healthlake.datastores":           "a=1,b=2",
		"target.healthlake.quotas.files_per_job": "7", "target.healthlake.quotas.file_size": "1GB", "target.healthlake.quotas.job_size": "2GB",
		"target.healthlake.quotas.resource_size": "3MB",
		"on_quarantine":                          "continue", "log.dir": "logs", "http.listen": ":0",
		"target.healthlake.datastore": "0123456789abcdef0123456789abcdef", "target.healthlake.region": "eu-west-1",
		"target.healthlake.role_arn": "arn:aws:iam::123456789012:role/r", "target.healthlake.output": "s3://results/p",
		"target.healthlake.kms_key": "alias/k", "target.healthlake.validation": "minimal",
		"target.healthlake.on_import_error": "continue", "target.healthlake.requests_per_second": "3",
		"target.healthlake.bundle_size": "70", "target.healthlake.max_jobs_queued": "3", "target.healthlake.exclusive": "true",
		"verify.mode": "counts", "verify.sample": "12", "verify.export_to": "s3://verified/p", "verify.requests_per_second": "7",
	}
	for _, s := range Settings() {
		text, ok := values[s.Key]
		if !ok {
			t.Errorf("no test value for %s", s.Key)
			continue
		}
		before, after := new(Job), new(Job)
		if s.Default != "" {
			if err := s.set(before, s.Default, "/base"); err != nil {
				t.Errorf("default of %s: %v", s.Key, err)
			}
		}
		if err := s.set(after, text, "/base"); err != nil {
			t.Errorf("%s: %v", s.Key, err)
		}
		if jobText(before) == jobText(after) {
			t.Errorf("%s changed nothing", s.Key)
		}
	}
}

func TestUnknownKeys(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"a slip":           {minimal + "layout:\n  max_file_sise: 1MB\n", `line 8, column 3: unknown key "max_file_sise"; the nearest known key is "max_file_size"`},
		"a plural":         {minimal + "limit:\n  memory: 1GiB\n", `line 7, column 1: unknown key "limit"; the nearest known key is "limits"`},
		"wrong section":    {minimal + "memory: 1GiB\n", `line 7, column 1: unknown key "memory"; the nearest known key is "limits.memory"`},
		"nothing near":     {minimal + "http:\n  certificate: x\n", `line 8, column 3: unknown key "certificate"; http takes listen`},
		"scalar section":   {strings.Replace(minimal, "sink:\n  location: out", "sink: out", 1), "line 5, column 7: sink is a section; it takes"},
		"section as value": {minimal + "state:\n  dir: x\n", "state takes one value"},
		"list as value":    {minimal + "state: [a, b]\n", "state takes one value, not a list"},
		"nested list item": {strings.Replace(minimal, "source:\n", "source:\n  types: [[Patient]]\n", 1), "an item of source.types is not a plain value"},
		"twice":            {minimal + "job: other\n", `line 7, column 1: mapping key "job" already defined`},
		"broken yaml":      {"job: [\n", "line 1, column"},
		"a list":           {"- job: a\n", "line 1, column 1: the job file is a section; it takes http, job"},
		"two documents":    {minimal + "---\njob: b\n", "a job file holds one document"},
		"an alias":         {"job: &a x\nstate: *a\n", "takes one value"},
	} {
		_, _, err := load(t, map[string]string{"job.yaml": c.file}, nil, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || pipeline.KindOf(err) != pipeline.KindConfig {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, _, err := load(t, map[string]string{"job.yaml": "jobb: x\nsinks: y\n"}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), `"jobb"`) || !strings.Contains(err.Error(), `"sinks"`) {
		t.Errorf("got %v", err)
	}
}

func TestBadValues(t *testing.T) {
	for flag, want := range map[string][2]string{
		"job":                          {"Clinic A", "may hold only a-z"},
		"source.tenant":                {"a|b", "means all tenants"},
		"source.binaries":              {"gs://b", "is neither s3://bucket/prefix nor a directory"},
		"source.binary_field":          {"both", "neither data (R4) nor content (STU3)"},
		"limits.binaries":              {"0", "is not a number from 1"},
		"source.since":                 {"yesterday", "is not a moment"},
		"source.types":                 {"patient", "is not the name of a resource type"},
		"source.deleted":               {"yes", "neither true nor false"},
		"sink.location":                {"gs://bucket", "is neither s3://bucket/prefix nor a directory"},
		"sink.expected_bucket_owner":   {"123", "12 digits"},
		"layout.max_file_size":         {"12 bananas", "is not a size"},
		"layout.max_folder_size":       {"1MB", "is larger than layout.max_folder_size"},
		"layout.max_folder_files":      {"0", "is not a number from 1"},
		"limits.memory":                {"1MB", "is less than the least"},
		"on_quarantine":                {"maybe", "neither stop nor continue"},
		"http.listen":                  {"9464", "is not host:port"},
		"state":                        {"out/clinic-a/state", "lie within one another"},
		"source.expected_bucket_owner": {"x", "12 digits"},
	} {
		_, _, err := load(t, map[string]string{"job.yaml": minimal}, nil, map[string]string{flag: want[0]})
		if err == nil || !strings.Contains(err.Error(), want[1]) || pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
			t.Errorf("%s=%s: got %v (hint %q), want %q", flag, want[0], err, pipeline.HintOf(err), want[1])
		}
	}
}

func TestErrorNamesWhereTheValueCameFrom(t *testing.T) {
	bad := minimal + "layout:\n  lanes: many\n"
	_, _, err := load(t, map[string]string{"job.yaml": bad}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "layout.lanes (line 8, column 10)") {
		t.Errorf("got %v", err)
	}
	_, _, err = load(t, map[string]string{"job.yaml": minimal}, []string{"FHIRHOSE_LAYOUT_LANES=many"}, nil)
	if err == nil || !strings.Contains(err.Error(), "layout.lanes (FHIRHOSE_LAYOUT_LANES)") {
		t.Errorf("got %v", err)
	}
}

// TestLocationErrorsKeepSecrets: a URL with credentials is not repeated.
func TestLocationErrorsKeepSecrets(t *testing.T) {
	_, _, err := load(t, map[string]string{"job.yaml": minimal}, nil, map[string]string{"sink.location": "s3://key:s3cret@bucket"})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestPrecedence(t *testing.T) {
	file := strings.Replace(minimal, "location: out", "location: file", 1)
	dotenv := "FHIRHOSE_SINK_LOCATION=dotenv\n"
	environ := []string{"FHIRHOSE_SINK_LOCATION=environment"}
	flags := map[string]string{"sink.location": "flag"}
	for want, c := range map[string]struct {
		dotenv  string
		environ []string
		flags   map[string]string
	}{
		"file":        {"", nil, nil},
		"dotenv":      {dotenv, nil, nil},
		"environment": {dotenv, environ, nil},
		"flag":        {dotenv, environ, flags},
	} {
		job, dir, err := load(t, map[string]string{"job.yaml": file, ".env": c.dotenv}, c.environ, c.flags)
		if err != nil {
			t.Errorf("%s: %v", want, err)
		} else if got := job.Sink.Location.Dir; got != filepath.Join(dir, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	job, dir, err := load(t, map[string]string{"job.yaml": file, ".env": dotenv}, []string{"FHIRHOSE_SINK_LOCATION="}, nil)
	if err != nil || job.Sink.Location.Dir != filepath.Join(dir, "file") {
		t.Errorf("an empty variable hides the one of .env: %v, %v", job, err)
	}
}

func TestFHIRWorksVariables(t *testing.T) {
	const file = "job: a\nsource:\n  dynamodb_export:\n    location: export\n"
	env := "MIGRATION_TENANT_ID=t1\nAPI_AWS_REGION=us-west-2\nEXPORT_BUCKET_NAME=name\nBINARY_BUCKET_NAME=binaries\n"
	for name, c := range map[string]struct{ file, env, want string }{
		"bucket":          {file, env, "s3://name/t1/a"},
		"uri":             {file, env + "EXPORT_BUCKET_URI=s3://uri/p\n", "s3://uri/p/t1/a"},
		"uri with tenant": {file, env + "EXPORT_BUCKET_URI=s3://uri/t1/\n", "s3://uri/t1/a"},
		"ours":            {file, env + "FHIRHOSE_SINK_LOCATION=s3://ours\n", "s3://ours/t1/a"},
		"the job file":    {file + "sink:\n  location: s3://file/t1\n", env, "s3://file/t1/t1/a"},
	} {
		job, _, err := load(t, map[string]string{"job.yaml": c.file, ".env": c.env}, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := job.Output().String(); got != c.want || job.Source.Region != "us-west-2" || job.Sink.Region != "us-west-2" {
			t.Errorf("%s: output %s, regions %s %s", name, got, job.Source.Region, job.Sink.Region)
		}
	}
}

func TestDotEnvForTheSDK(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "job.yaml")
	for name, text := range map[string]string{"job.yaml": minimal, ".env": "AWS_ACCESS_KEY_ID=dot\nAWS_REGION=dot\nOTHER=x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	_, err := Load(Input{File: path, Environ: []string{"AWS_REGION=real"}, Setenv: func(name, text string) error {
		got[name] = text
		return nil
	}})
	if err != nil || len(got) != 1 || got["AWS_ACCESS_KEY_ID"] != "dot" {
		t.Errorf("set %v, %v", got, err)
	}
}

func TestBrokenDotEnvKeepsSecrets(t *testing.T) {
	_, _, err := load(t, map[string]string{"job.yaml": minimal, ".env": "AWS_SECRET%ACCESS=s3cret\n"}, nil, nil)
	if err == nil || strings.Contains(err.Error(), "s3cret") || pipeline.KindOf(err) != pipeline.KindConfig {
		t.Errorf("got %v", err)
	}
}

func TestWarnings(t *testing.T) {
	job, _, err := load(t, map[string]string{"job.yaml": minimal},
		[]string{"FHIRHOSE_SINK_LOCATON=x", "FHIRHOSE_SERVICE_HOST=10.0.0.1", "FHIRHOSE_PORT_9464_TCP=tcp://10.0.0.1"},
		map[string]string{"source.types": "Patients", "source.since": "2026-01-01T00:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(job.Warnings, "\n")
	if len(job.Warnings) != 3 || !strings.Contains(got, "nearest is FHIRHOSE_SINK_LOCATION") || !strings.Contains(got, "nearest is Patient\n") {
		t.Errorf("got %s", got)
	}
}

func TestMissing(t *testing.T) {
	_, _, err := load(t, map[string]string{"job.yaml": "job: a\n"}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "sink.location: is missing in") {
		t.Errorf("got %v", err)
	}
	job, _, err := load(t, map[string]string{"job.yaml": "job: a\nsink: {location: out}\n"}, nil, nil) // import needs no source
	if err != nil || !strings.Contains(job.Sourced().Error(), "source.dynamodb_export.location: is missing in") {
		t.Errorf("got %v, %v", err, job.Sourced())
	}
	_, _, err = load(t, nil, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "no such file") || !strings.Contains(pipeline.HintOf(err), "-c") {
		t.Errorf("got %v", err)
	}
	t.Chdir(t.TempDir())
	_, err = Load(Input{})
	if err == nil || !strings.Contains(err.Error(), "there is no fhirhose.yaml here") {
		t.Errorf("got %v", err)
	}
}

func TestPlainTextOfScalars(t *testing.T) {
	file := strings.Replace(minimal, "source:\n", "source:\n  tenant: 007\n  since: 2026-01-01T00:00:00Z\n  types:\n    - Patient\n    - \"Basic\"\n", 1)
	job, _, err := load(t, map[string]string{"job.yaml": file}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if job.Source.Tenant != "007" || !job.Source.Since.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) || strings.Join(job.Source.Types, " ") != "Basic Patient" {
		t.Errorf("got %+v", job.Source)
	}
}
