package jobfile

import (
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

func TestVerify(t *testing.T) {
	const settings = importable + "verify: {mode: counts, sample: 0.5%, export_to: s3://bulk/verified, requests_per_second: 7}\n"
	job, _, err := load(t, map[string]string{"job.yaml": settings}, nil, nil)
	if err != nil || job.Verifiable(true) != nil {
		t.Fatal(err, job.Verifiable(true))
	}
	if want := (Verify{"counts", Sample{Share: 0.005}, Location{Bucket: "bulk", Prefix: "verified"}, 7}); job.Verify != want {
		t.Errorf("got %+v", job.Verify)
	}
	f := func(old, changed, key, words string, early bool) {
		t.Helper()
		job, _, err := load(t, map[string]string{"job.yaml": strings.Replace(settings, old, changed, 1)}, nil, nil)
		if early != (err != nil) {
			t.Fatalf("%s: loaded with %v", changed, err)
		}
		if err == nil {
			err = job.Verifiable(true)
		}
		if err == nil || pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" ||
			!strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", changed, err)
		}
	}
	f("mode: counts", "mode: all", "verify.mode", "none of export, counts", true)
	f("0.5%", "some", "verify.sample", "neither a share", true)
	f("per_second: 7", "per_second: 0", "verify.requests_per_second", "not a number", true)
	f("s3://bulk/verified", "verified", "verify.export_to", "a directory", true)
	for at, other := range map[string]string{
		"s3://bulk": "sink", "s3://bulk/out": "sink", "s3://bulk/out/a/b": "sink", "s3://bulk/export/x": "export",
		"s3://bulk/binaries": "binaries", "s3://bulk/results/x": "target.healthlake.output", "s3://bulk/results": "target.healthlake.output",
	} {
		if at == "s3://bulk/out" {
			other = "the output below" // which lies in it
		}
		f("s3://bulk/verified", at, "verify.export_to", other, true)
	}
	f("dynamodb_export: {location: s3://bulk/export}", `dynamodb_export: {table_arn: "arn:aws:dynamodb:us-east-1:123456789012:table/resource-db", export_to: s3://bulk/verified/x}`,
		"verify.export_to", "source.dynamodb_export.export_to", true)
	f(`tenant: ""`, `tenant: "*"`, "target.healthlake.datastore", "all tenants", false)
	for at, fine := range map[string]bool{"s3://bulk/verified": true, "s3://bulk": false, "s3://bulk/out/t": false, "s3://bulk/out/t/a": false, "s3://bulk/out/t/b": true} {
		all := strings.NewReplacer(`tenant: ""`, `tenant: "*"`, "s3://bulk/verified", at).Replace(settings)
		if _, _, err := load(t, map[string]string{"job.yaml": all}, nil, nil); (err == nil) != fine {
			t.Errorf("all tenants, %s: %v", at, err)
		}
	}
	f("    role_arn: arn:aws:iam::123456789012:role/import\n", "", "role_arn", "is missing", false)
	f("    kms_key: alias/k\n", "", "kms_key", "is missing", false)
	f("export_to: s3://bulk/verified, ", "", "verify.export_to", "is missing", false)
	bare, _, err := load(t, map[string]string{"job.yaml": minimal + "target: {healthlake: {datastore: x}}\n"}, nil, nil)
	if err != nil || bare.Verifiable(false) != nil {
		t.Error(err, bare.Verifiable(false))
	}
}

func TestSample(t *testing.T) {
	for text, want := range map[string]Sample{
		"1%": {Share: 0.01}, "100%": {Share: 1}, "0.05 %": {Share: 0.0005}, "1000": {Number: 1000}, "1_000": {Number: 1000},
	} {
		if got, err := ParseSample(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "%", "0%", "-1%", "101%", "NaN%", "0", "-5", "1.5", "Inf%"} {
		if got, err := ParseSample(text); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
	for _, s := range []Sample{{Share: 0.01}, {Share: 0.0005}, {Number: 12}} {
		if got, err := ParseSample(s.String()); err != nil || got != s {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
}
