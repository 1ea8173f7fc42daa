package audit_test

import (
	"reflect"
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
)

func TestRedact(t *testing.T) {
	f := func(key, value, want string) {
		t.Helper()
		if got := audit.Redact(key, value); got != want {
			t.Errorf("%s: %s became %s, want %s", key, value, got, want)
		}
	}
	for _, key := range []string{"source.api_key", "verify.password", "x.client_secret", "bearer-token", "AWS_SECRET_ACCESS_KEY"} {
		f(key, "hush", audit.Redacted)
		f(key, "", "")
	}
	f("sink.kms_key", "alias/k", "alias/k")
	f("sink.location", "s3://b/p", "s3://b/p")
	f("source.url", "https://user:hush@host/p", "https://(redacted)@host/p")
}

func TestPlaces(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/r"
	got := audit.Places(map[string]string{
		"job": "a", "source.dynamodb_export.location": "export", "source.binaries": "s3://contents", "source.region": "eu-west-1",
		"source.expected_bucket_owner": "210987654321", "sink.location": "s3://out/p", "sink.kms_key": "alias/k", "sink.region": "",
		"target.healthlake.role_arn": role, "target.healthlake.datastore": "d1", "target.healthlake.datastores": "a=d2, b=d3", "target.healthlake.region": "us-east-2",
		"target.healthlake.kms_key": "arn:aws:kms:us-east-2:123456789012:key/1", "layout.lanes": "16", "source.tenant": "clinic",
	}, "/jobs", "us-west-2")
	want := []audit.Place{
		{Setting: "sink.kms_key", Name: "alias/k", Region: "us-west-2"},
		{Setting: "sink.location", Name: "s3://out/p", Region: "us-west-2"},
		{Setting: "source.binaries", Name: "s3://contents", Region: "eu-west-1", Account: "210987654321"},
		{Setting: "source.dynamodb_export.location", Name: "/jobs/export"},
		{Setting: "target.healthlake.datastore", Name: "d1", Region: "us-east-2"},
		{Setting: "target.healthlake.datastores.a", Name: "d2", Region: "us-east-2"},
		{Setting: "target.healthlake.datastores.b", Name: "d3", Region: "us-east-2"},
		{Setting: "target.healthlake.kms_key", Name: "arn:aws:kms:us-east-2:123456789012:key/1", Region: "us-east-2", Account: "123456789012"},
		{Setting: "target.healthlake.role_arn", Name: role, Account: "123456789012"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := audit.Places(map[string]string{"source.binaries": "none", "sink.location": ""}, "/", ""); got != nil {
		t.Errorf("%+v", got)
	}
}
