package jobfile

import (
	"maps"
	"reflect"
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
		Validation: "strict", OnImportError: "stop", RequestsPerSecond: 10, BundleSize: 160, MaxJobsQueued: 1,
		Quotas: Quotas{FilesPerJob: 10_000, FileSize: 5_000_000_000, JobSize: 500_000_000_000},
	}
	if !reflect.DeepEqual(job.Target.HealthLake, want) {
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
	f(`tenant: ""`, `tenant: "*"`, prefix+"datastore", "one data store for all tenants", false)
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

// TestDatastores: each tenant has a store of its own, however it is written.
func TestDatastores(t *testing.T) {
	every := strings.Replace(strings.Replace(importable, `tenant: ""`, `tenant: "*"`, 1),
		"datastore: 0123456789abcdef0123456789abcdef", "datastores: {clinic-a: aaaa, clinic_B: bbbb}", 1)
	environ := strings.Replace(every, "    datastores: {clinic-a: aaaa, clinic_B: bbbb}\n", "", 1)
	for _, o := range []struct {
		text  string
		env   []string
		flags map[string]string
	}{
		{text: every},
		{text: strings.Replace(every, "{clinic-a: aaaa, clinic_B: bbbb}", "\n      clinic-a: aaaa\n      clinic_B: bbbb", 1)},
		{text: environ, env: []string{"FHIRHOSE_TARGET_HEALTHLAKE_DATASTORES=clinic-a=aaaa, clinic_B=bbbb"}},
		{text: environ, flags: map[string]string{"target.healthlake.datastores": "clinic_B=bbbb,clinic-a=aaaa"}},
	} {
		job, _, err := load(t, map[string]string{"job.yaml": o.text}, o.env, o.flags)
		if err != nil || job.Importable() != nil {
			t.Fatal(err, job.Importable())
		}
		if got := job.Target.HealthLake.Datastores; !maps.Equal(got, map[string]string{"clinic-a": "aaaa", "clinic_B": "bbbb"}) {
			t.Errorf("got %v", got)
		}
		if store, err := job.Datastore("clinic_B"); store != "bbbb" || err != nil {
			t.Errorf("%q, %v", store, err)
		}
		if _, err := job.Datastore("clinic_b"); pipeline.KindOf(err) != pipeline.KindConfig || !strings.Contains(err.Error(), "no data store for tenant clinic_b") {
			t.Error(err)
		}
	}
	f := func(words string, replace ...string) {
		t.Helper()
		job, _, err := load(t, map[string]string{"job.yaml": strings.NewReplacer(replace...).Replace(every)}, nil, nil)
		if err == nil {
			err = job.Importable()
		}
		if pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" || !strings.Contains(err.Error(), words) {
			t.Errorf("%v: %v", replace, err)
		}
	}
	const both = "{clinic-a: aaaa, clinic_B: bbbb}"
	f("for tenant clinic-a and for tenant clinic_B", "bbbb", "aaaa")
	f("not the id of a tenant", "clinic-a", "clinic.a")
	f("of tenant clinic-a is not the id of a data store", "aaaa", `"arn:x"`)
	f("takes pairs", both, "aaaa")
	f("takes one value, not a list", both, "[aaaa]")
	f("clinic-a takes one value", "aaaa", "[aaaa]")
	f("target.healthlake.datastores: is missing", both, "")
	f("target.healthlake.datastores: is missing", both, "{}")
	f("one data store for all tenants", "datastores: "+both, "datastore: aaaa")
	f("one data store for all tenants", "datastores: "+both, "datastore: aaaa\n    datastores: "+both)
	f("source.tenant is empty", `"*"`, `""`)
	f("may lie in a tenant's folder", "s3://bulk/results", "s3://bulk/out/clinic-a/a/results")
	f("within the output below", "s3://bulk/results", "s3://bulk/out/a")

	for tenant, words := range map[string]string{"clinic_B": "", "clinic-c": "no data store for tenant clinic-c"} {
		job, _, err := load(t, map[string]string{"job.yaml": strings.Replace(every, "*", tenant, 1)}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		store, err := job.Datastore("") // of the one tenant of the job
		if words == "" && (store != "bbbb" || err != nil) || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
			t.Errorf("%q, %v", store, err)
		}
	}
}
