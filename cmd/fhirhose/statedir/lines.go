package statedir

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

// EachLine calls do for each line of JSON of a file of findings; of none where there
// is no file, or path is "". The last line may be only half written. Errors, but those
// of do, name the file and the line, and hold nothing of it.
func EachLine[T any](path string, do func(*T) error) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || path == "" {
		return nil
	}
	if err != nil {
		return durable.Failure("read", path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	in := json.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	for number := 1; ; number++ {
		line := new(T)
		switch err := in.Decode(line); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // it is being written
			return nil
		case err != nil: // the decoder's own words may quote
			return &pipeline.Error{
				Op: "read", Object: path, Kind: pipeline.KindFatal, Err: fmt.Errorf("line %d cannot be read", number), Hint: "restore the file from a copy",
			}
		}
		if err := do(line); err != nil {
			return err
		}
	}
}
