package staging

import (
	"errors"
	"io/fs"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

const (
	hintRestore = "restore it from the bucket and run the same command again"
	hintCopy    = "copy the object again from its source and run the same command again; what is done is kept"
	hintQuiet   = "let nothing write to the source while the job runs, and run the same command again"
)

// fault classifies an error of the local file system. A file that is not there
// was named by the manifest.
func fault(op, object string, err error) error {
	if _, known := errors.AsType[*pipeline.Error](err); !known && errors.Is(err, fs.ErrNotExist) {
		return &pipeline.Error{Op: op, Object: object, Kind: pipeline.KindFatal, Err: err, Hint: hintRestore}
	}
	return durable.Failure(op, object, err)
}

// changed says that an object is not what it was when it was verified.
func changed(object string) error {
	return &pipeline.Error{
		Op: "read", Object: object, Kind: pipeline.KindFatal,
		Err: errors.New("changed while reading"), Hint: hintQuiet,
	}
}
