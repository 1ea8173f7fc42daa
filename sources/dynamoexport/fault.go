package dynamoexport

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	hintRestore = "restore it from the bucket and run the same command again"
	hintCopy    = "copy the object again from the export and run the same command again; what is done is kept"
	hintQuiet   = "let nothing write to the export while the job runs, and run the same command again"
)

// fault classifies an error of the local file system.
func fault(op, object string, err error) error {
	if _, known := errors.AsType[*pipeline.Error](err); known || isCancel(err) {
		return err
	}
	e := &pipeline.Error{Op: op, Object: object, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = pipeline.KindFatal, hintRestore
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = pipeline.KindAuth, "make it readable for the user that runs fhirhose"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Hint = pipeline.KindRetryLater, "free space in the state directory and run the same command again"
	}
	return e
}

func isCancel(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// changed says that an object is not what it was when it was verified.
func changed(object string) error {
	return &pipeline.Error{
		Op: "read", Object: object, Kind: pipeline.KindFatal,
		Err: errors.New("changed while reading"), Hint: hintQuiet,
	}
}
