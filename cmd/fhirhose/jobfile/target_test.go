package jobfile

import (
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

const importable = `job: a
source:
  tenant: ""
  binaries: s3://bulk/binaries
  dynamodb_export: {location: s3://bulk/export}
sink: {location: s3://bulk/out}
target:
  healthlake:
    datastore: 0123456789abcdef0123456789abcdef
    role_arn: arn:aws:iam::123456789012:role/import
    output: s3://bulk/results
    kms_key: alias/k
`

// TestTarget: what is wrong is said when the job is read; what is missing, when
// somebody imports.
func TestTarget(t *testing.T) {
	job, _, err := load(t, map[string]string{"job.yaml": importable}, nil, nil)
	if err != nil || job.Importable() != nil {
		t.Fatal(err, job.Importable())
	}
	want := HealthLake{
		Datastore: "0123456789abcdef0123456789abcdef", RoleARN: "arn:aws:iam::123456789012:role/import",
		Output: Location{Bucket: "bulk", Prefix: "results"}, KMSKey: "alias/k",
		Validation: "strict", OnImportError: "stop", RequestsPerSecond: 10,
	}
	if job.Target.HealthLake != want {
		t.Errorf("got %+v", job.Target.HealthLake)
	}
	f := func(old, changed, key, words string, early bool) {
		t.Helper()
		job, _, err := load(t, map[string]string{"job.yaml": strings.Replace(importable, old, changed, 1)}, nil, nil)
		if early != (err != nil) {
			t.Fatalf("%s: loaded with %v", changed, err)
		}
		if err == nil {
			err = job.Importable()
		}
		if err == nil || pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" ||
			!strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", changed, err)
		}
	}
	const prefix = "target.healthlake."
	f(`tenant: ""`, `tenant: "*"`, "source.tenant", "all tenants", false)
	f("s3://bulk/out", "out", "sink.location", "S3 alone", false)
	for _, key := range []string{"datastore", "role_arn", "output", "kms_key"} {
		at := strings.Index(importable, "    "+key+":")
		line := importable[at : at+strings.Index(importable[at:], "\n")+1]
		f(line, "", prefix+key, "is missing", false)
	}
	f("0123456789abcdef0123456789abcdef", "arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/0", prefix+"datastore", "not the id", true)
	f("arn:aws:iam::123456789012:role/import", "import", prefix+"role_arn", "not the ARN", true)
	f("output: s3://bulk/results", "output: results", prefix+"output", "a directory", true)
	f("output: s3://bulk/results", "output: s3://bulk/out/a", prefix+"output", "within the output below sink.location", true)
	f("output: s3://bulk/results", "output: s3://bulk/out/a/b", prefix+"output", "within the output below sink.location", true)
	f("output: s3://bulk/results", "output: s3://bulk/export/b", prefix+"output", "within source.dynamodb_export", true)
	f("output: s3://bulk/results", "output: s3://bulk/binaries/b", prefix+"output", "within source.binaries", true)
	f("kms_key: alias/k", "validation: lax", prefix+"validation", "neither strict", true)
	f("kms_key: alias/k", "on_import_error: go", prefix+"on_import_error", "neither stop", true)
	f("kms_key: alias/k", "requests_per_second: 0", prefix+"requests_per_second", "not a number", true)
	for _, fine := range []string{"s3://bulk", "s3://bulk/out", "s3://bulk/out/ab", "s3://results/out/a"} {
		if _, _, err := load(t, map[string]string{"job.yaml": strings.Replace(importable, "s3://bulk/results", fine, 1)}, nil, nil); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}
