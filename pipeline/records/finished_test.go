package records_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// entries is a checkpoint: bucket, key, value.
type entries [][3]string

func (e entries) Each(bucket string, f func(key string, value []byte) error) (err error) {
	for _, entry := range e {
		if entry[0] == bucket {
			err = errors.Join(err, f(entry[1], []byte(entry[2])))
		}
	}
	return err
}

// TestResult: what a target imports of a finished job, of both pipelines.
func TestResult(t *testing.T) {
	const file = `{"type":"Patient","version":1,"lines":3,"sealed":true,"sum":""}`
	finished := [3]string{"records", "finished", `{"job":"a"}`}
	f := func(e entries, kind pipeline.Kind, want ...string) {
		t.Helper()
		result, err := records.Result(e)
		if kind != pipeline.KindOther {
			if pipeline.KindOf(err) != kind || pipeline.HintOf(err) == "" {
				t.Errorf("kind %d: %v", pipeline.KindOf(err), err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for i := range result.Files {
			names = append(names, result.Files[i].Dir()+" "+result.Files[i].Name)
		}
		if !slices.Equal(names, want) || result.Status.Job != "a" {
			t.Errorf("files %q of job %s", names, result.Status.Job)
		}
	}
	f(nil, pipeline.KindConfig)
	f(entries{{"records", "begun", "true"}, {"records-files", "v1-0/P", file}}, pipeline.KindConfig)
	f(entries{finished}, pipeline.KindOther)
	f(entries{
		finished,
		{"records-files", "v1-0/P", file},
		{"binaries-files", "Binary-v1-0/B", file},
		{"records-files", "_fhirhose/quarantine-00000.ndjson", `{"sealed":true,"sum":""}`},
		{"binaries-files", "_fhirhose/ledger/Binary-00000", `{"sealed":true,"sum":""}`},
	}, pipeline.KindOther, "Binary-v1-0 Binary-v1-0/B", "v1-0 v1-0/P")
	f(entries{finished, {"records-files", "v1-0/P", `{"type":"Patient","sum":""}`}}, pipeline.KindCheckpoint)
	f(entries{finished, {"records-files", "v1-0/P", "["}}, pipeline.KindCheckpoint)
	f(entries{{"records", "finished", "["}}, pipeline.KindCheckpoint)
}
