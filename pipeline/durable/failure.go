package durable

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Failure turns an error of a local disk into one that says what it concerns,
// when to try again and what to do. Nil, a cancelled context, and what is a
// pipeline.Error already, come back as they are. Causes name paths of sink and
// state, which hold a type, a version and a number, never an id (I10).
func Failure(op, object string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*pipeline.Error](err); ok {
		return err
	}
	e := &pipeline.Error{Op: op, Object: object, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Hint = pipeline.KindRetryLater, "free space on that disk, then run the same command again"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		e.Kind, e.Hint = pipeline.KindRetryLater, "raise the limit of open files (ulimit -n), then run the same command again"
	case errors.Is(err, syscall.EROFS):
		e.Kind, e.Hint = pipeline.KindConfig, "mount that file system read-write, or name another directory"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = pipeline.KindAuth, "give the user that runs fhirhose access to that directory"
	case errors.Is(err, syscall.ENOTDIR):
		e.Kind, e.Hint = pipeline.KindConfig, "a file stands where a directory is needed; move it away"
	default:
		e.Kind, e.Hint = pipeline.KindRetryLater, "check that disk or mount, then run the same command again"
	}
	return e
}
