package folder

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/fhirhose/fhirhose/pipeline"
)

// failure turns an error of the disk into one that says what to do. Causes name
// paths of the sink, which hold a type, a version and a number, never an id
// (I10).
func failure(op, object string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &pipeline.Error{Op: op, Object: object, Err: err}
	var known *contradiction
	switch {
	case errors.As(err, &known):
		e.Kind, e.Hint = pipeline.KindFatal, known.hint
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Hint = pipeline.KindRetryLater, "free space on the sink's disk, then run the same command again"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		e.Kind, e.Hint = pipeline.KindRetryLater, "raise the limit of open files (ulimit -n), then run the same command again"
	case errors.Is(err, syscall.EROFS):
		e.Kind, e.Hint = pipeline.KindConfig, "mount the sink's file system read-write, or name another sink"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = pipeline.KindAuth, "give this user write access to the sink's directory"
	case errors.Is(err, syscall.ENOTDIR):
		e.Kind, e.Hint = pipeline.KindConfig, "a file stands where the sink needs a directory; move it away"
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE):
		e.Kind, e.Hint = pipeline.KindRetryLater, "check the sink's disk or mount, then run the same command again"
	}
	return e
}

// contradiction is a state of the sink that no kill of ours can have left.
type contradiction struct {
	err  error
	hint string
}

func (c *contradiction) Error() string { return c.err.Error() }
func (c *contradiction) Unwrap() error { return c.err }

func disagree(err error) error {
	return &contradiction{err: err, hint: "state and sink disagree; put back the sink's files, or use move --restart"}
}

func taken(err error) error {
	return &contradiction{err: err, hint: "somebody else wrote into the job's folder; move that file away, or use another sink"}
}
