package iam_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/iam"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

// everything is a job that names all that a job can.
const everything = `job: clinic-a
source:
  binaries: s3://fhirbinaries
  expected_bucket_owner: "222222222222"
  dynamodb_export:
    table_arn: arn:aws:dynamodb:eu-west-1:111111111111:table/resource-db-dev
    export_to: s3://exports/dynamodb
    kms_key: arn:aws:kms:eu-west-1:111111111111:key/11111111-aaaa
sink: {location: s3://folders/fhir, kms_key: alias/folders}
target:
  healthlake:
    datastore: 0123456789abcdef0123456789abcdef
    region: eu-west-1
    role_arn: arn:aws:iam::111111111111:role/import
    output: s3://results/import
    kms_key: 22222222-bbbb
verify: {export_to: s3://results/verify}
`

func load(t *testing.T, text string, flags map[string]string) *jobfile.Job {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fhirhose.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	job, err := jobfile.Load(jobfile.Input{File: file, Flags: flags, Setenv: func(string, string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func TestGolden(t *testing.T) {
	f := func(name, text, region string, flags map[string]string) {
		t.Helper()
		var got bytes.Buffer
		if err := iam.For(load(t, text, flags), region).Text(&got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s is not what the code says; look at it after: go test ./cmd/fhirhose/iam -update\n%s", path, &got)
		}
	}
	f("everything", everything, "", nil)
	f("tenants", everything, "", map[string]string{
		"source.tenant": "*", "target.healthlake.datastore": "", "target.healthlake.datastores": "a=aaaa,b=bbbb", "source.expected_bucket_owner": "",
	})
	f("least", "job: a\nsource: {binaries: none, dynamodb_export: {location: s3://bulk/AWSDynamoDB/01/data}}\nsink: {location: s3://out}\n", "", nil)
	f("folders", "job: a\nsource: {fhirworks_folders: {location: s3://bulk/t/7f/migration_output.json}}\nsink: {location: s3://out}\n", "", nil)
	f("disk", "job: a\nsource: {dynamodb_export: {location: export}}\nsink: {location: out}\n", "eu-west-1", nil)
}

// TestLeast: no statement of the operator allows a whole service, or a resource
// that is not the job's, and each says what it is for.
func TestLeast(t *testing.T) {
	p := iam.For(load(t, everything, nil), "")
	seen := map[string]bool{}
	for _, d := range []*iam.Document{p.Operator, p.Role, p.Trust, p.BucketPolicy, p.Clean} {
		for _, s := range d.Statement {
			if s.Why == "" || strings.Trim(s.Sid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || s.Effect != "Allow" {
				t.Errorf("%+v", s)
			}
			for _, action := range s.Action {
				if strings.HasSuffix(action, ":*") || strings.HasPrefix(action, "*") {
					t.Errorf("%s allows %s", s.Sid, action)
				}
			}
			if slices.Contains(s.Resource, "*") && s.Sid != "ListExports" {
				t.Errorf("%s is about everything", s.Sid)
			}
			if seen[s.Sid] {
				t.Errorf("%s comes twice", s.Sid)
			}
			seen[s.Sid] = true
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "Why") {
		t.Error("IAM knows no Why")
	}
	for _, action := range []string{"s3:DeleteObjectVersion", "dynamodb:DeleteTable", "healthlake:DeleteFHIRDatastore"} {
		if allows(p.Operator, action) {
			t.Errorf("the operator may %s", action)
		}
	}
}

func allows(d *iam.Document, action string) bool {
	return slices.ContainsFunc(d.Statement, func(s iam.Statement) bool { return slices.Contains(s.Action, action) })
}
