package records

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Finished is what a finished job has left.
type Finished struct {
	Status metrics.Status // the last one
	Files  []output.File  // that a target imports, of all tenants, by name
}

// Result reads from its checkpoint what a finished job has left. It needs neither
// source nor sink. A job that is not finished is KindConfig.
func Result(store output.Entries) (*Finished, error) {
	var f Finished
	finished := false
	err := store.Each(stateBucket, func(key string, value []byte) error {
		if key != finishedKey {
			return nil
		}
		finished = true
		return json.Unmarshal(value, &f.Status)
	})
	if err != nil {
		return nil, output.Damaged(err)
	}
	if !finished {
		return nil, &pipeline.Error{
			Op: "read checkpoint", Kind: pipeline.KindConfig,
			Err: errors.New("the move of this job is not finished"), Hint: "fhirhose move",
		}
	}
	for _, name := range []string{stateBucket, binaries.Name} {
		files, err := output.FilesOf(store, name)
		if err != nil {
			return nil, err
		}
		f.Files = append(f.Files, files...)
	}
	f.Files = slices.DeleteFunc(f.Files, func(f output.File) bool { return f.Type == "" })
	if slices.ContainsFunc(f.Files, func(f output.File) bool { return !f.Sealed }) {
		return nil, output.Damaged(errors.New("a file of a finished job is not sealed"))
	}
	slices.SortFunc(f.Files, func(a, b output.File) int { return strings.Compare(a.Name, b.Name) })
	return &f, nil
}
