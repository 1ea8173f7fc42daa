package importing

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// Kept is a refused resource as [Failures] keeps it.
type Kept struct {
	Failure
	Folder string
	Job    string // the target's
	At     int64  // line of the file of failures, from 1
}

// EachFailure calls f for every resource that the target has refused of a folder;
// of none if there are no failures. What is passed is f's for the call alone. An error of f is
// returned as it is.
func EachFailure(state, tenant, folder string, f func(Kept) error) (err error) {
	path := Failures(state, tenant, folder)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return durable.Failure("read", path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewReaderSize(file, failuresBuffer)
	for at := int64(1); ; at++ {
		text, err := lines.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return durable.Failure("read", path, err)
		}
		var line failureLine
		if json.Unmarshal(text, &line) != nil {
			return &pipeline.Error{
				Op: "read", Object: path, Kind: pipeline.KindFatal, Err: fmt.Errorf("line %d is no line of failures", at),
				Hint: "restore the file from a copy",
			}
		}
		kept := Kept{Failure{line.File, line.Line, line.Reason, line.Raw}, line.Folder, line.Job, at}
		if err := f(kept); err != nil {
			return err
		}
	}
}
