package tree

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Failure turns an error of the local disk into one that says what to do. What
// is a pipeline.Error already, or a cancelled context, passes as it is. Causes
// name paths of sink and state, which hold a type, a version and a number,
// never an id (I10).
func Failure(op, object string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*pipeline.Error](err); ok {
		return err
	}
	kind, hint := verdict(err)
	return &pipeline.Error{Op: op, Object: object, Kind: kind, Err: err, Hint: hint}
}

func verdict(err error) (pipeline.Kind, string) {
	is := func(causes ...error) bool {
		for _, cause := range causes {
			if errors.Is(err, cause) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return pipeline.KindRetryLater, "free space on that disk, then run the same command again"
	case is(syscall.EMFILE, syscall.ENFILE):
		return pipeline.KindRetryLater, "raise the limit of open files (ulimit -n), then run the same command again"
	case is(syscall.EROFS):
		return pipeline.KindConfig, "mount that file system read-write, or name another directory"
	case is(fs.ErrPermission):
		return pipeline.KindAuth, "give this user write access to that directory"
	case is(syscall.ENOTDIR):
		return pipeline.KindConfig, "a file stands where a directory is needed; move it away"
	case is(syscall.EIO, syscall.ESTALE):
		return pipeline.KindRetryLater, "check that disk or mount, then run the same command again"
	default:
		return pipeline.KindOther, ""
	}
}
