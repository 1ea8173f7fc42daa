package durable

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Failure turns an error of a local disk into one that says what it concerns,
// when to try again and what to do. disk names it for the hint: "the sink", "the
// state directory". A cancelled context and an error that is a pipeline.Error
// already come back as they are.
func Failure(op, object, disk string, err error) error {
	if _, known := errors.AsType[*pipeline.Error](err); known ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &pipeline.Error{Op: op, Object: object, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Hint = pipeline.KindRetryLater, "free space on the disk of "+disk
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		e.Kind, e.Hint = pipeline.KindRetryLater, "raise the limit of open files (ulimit -n)"
	case errors.Is(err, syscall.EROFS):
		e.Kind, e.Hint = pipeline.KindConfig, "mount the file system of "+disk+" read-write, or name another place"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = pipeline.KindAuth, "give the user that runs fhirhose access to "+disk
	case errors.Is(err, syscall.ENOTDIR):
		e.Kind, e.Hint = pipeline.KindConfig, "a file stands where "+disk+" needs a directory; move it away"
	default:
		e.Kind, e.Hint = pipeline.KindRetryLater, "check the disk or mount of "+disk
	}
	e.Hint += ", then run the same command again"
	return e
}
