package jobfile

import (
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

// TestFolders: folders of the FHIR Works tool are a source alone, of one tenant, with
// the contents of their Binaries in them.
func TestFolders(t *testing.T) {
	const file = "job: a\nsource: {fhirworks_folders: {location: s3://bulk/t/7f}, tenant: t}\nsink: {location: s3://bulk/out}\n"
	job, _, err := load(t, map[string]string{"job.yaml": file}, []string{"BINARY_BUCKET_NAME=contents"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := job.Source; got.Location().String() != "s3://bulk/t/7f" || got.BinaryRows != BinariesNone || !got.Binaries.IsZero() || job.Sourced() != nil {
		t.Errorf("got %+v, %v", got, job.Sourced())
	}
	for words, given := range map[string]map[string]string{
		"are both set":              {locationKey: "s3://bulk/export"},
		"source.dynamodb_export":    {tableKey: "arn:aws:dynamodb:eu-west-1:123456789012:table/t"},
		`is "*"`:                    {"source.tenant": "*"},
		"bear theirs":               {"source.binaries": "s3://contents"},
		"lie within one another":    {"sink.location": "s3://bulk/t/7f"},
		"lies within " + foldersKey: {outputKey: "s3://bulk/t/7f/results"},
		"log.dir: lies within":      {"log.dir": "/x", foldersKey: "/x"},
	} {
		_, _, err := load(t, map[string]string{"job.yaml": file}, nil, given)
		if err == nil || !strings.Contains(err.Error(), words) || pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
			t.Errorf("%v: got %v", given, err)
		}
	}
}
