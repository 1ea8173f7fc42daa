package jobfile

import (
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

const exportable = `job: a
source:
  binaries: s3://bulk/binaries
  dynamodb_export:
    table_arn: arn:aws:dynamodb:eu-west-1:123456789012:table/resource-db-dev
    export_to: s3://bulk/exports
    kms_key: alias/k
sink: {location: s3://bulk/out}
`

// TestTable: a table is exported to a place of its own, and instead of an export
// that there is.
func TestTable(t *testing.T) {
	job, _, err := load(t, map[string]string{"job.yaml": exportable}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := job.Source.Table.Region(); got != "eu-west-1" || job.Source.Table.KMSKey != "alias/k" {
		t.Errorf("got %+v", job.Source.Table)
	}
	if err := job.Sourced(); err == nil || !strings.Contains(pipeline.HintOf(err), "fhirhose export") {
		t.Errorf("got %v", err)
	}
	job.TakeExport("bulk", "exports/AWSDynamoDB/01")
	if err := job.Sourced(); err != nil || job.Source.Export.String() != "s3://bulk/exports/AWSDynamoDB/01" {
		t.Errorf("got %v, %v", job.Source.Export, err)
	}
	f := func(words string, flags ...string) {
		t.Helper()
		given := map[string]string{}
		for _, flag := range flags {
			key, value, _ := strings.Cut(flag, "=")
			given[key] = value
		}
		_, _, err := load(t, map[string]string{"job.yaml": exportable}, nil, given)
		if err == nil || !strings.Contains(err.Error(), words) || pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
			t.Errorf("%v: got %v", flags, err)
		}
	}
	f("are both set", locationKey+"=s3://bulk/other")
	f("export_to: is missing", exportToKey+"=")
	f("is a directory", exportToKey+"=exports")
	f("table_arn: is missing", tableKey+"=")
	f("is not the ARN of a table", tableKey+"=resource-db-dev")
	for _, place := range []string{"out/a", "out/a/x", "binaries/x"} {
		f("lie within one another", exportToKey+"=s3://bulk/"+place)
	}
	f("lies within", outputKey+"=s3://bulk/exports/x")
	f("lies within", outputKey+"=s3://bulk")
	f("lie within one another", "source.binaries=s3://bulk")
	f("may lie in a tenant's folder", "source.tenant=*", exportToKey+"=s3://bulk/out/t")
}
