package binarybucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/sources/binarybucket/listing"
)

// place is where contents lie: a directory or a bucket. Its errors name the place
// and never a key.
type place interface {
	// name is what an operator calls the place: its path or its S3 URL.
	name() string

	// walk calls f for the objects whose keys begin with prefix, in any order: those
	// that are there, and those that were and still can be read. hidden tells that
	// the latter cannot be seen. f's error ends it.
	walk(ctx context.Context, prefix string, f taker) (hidden bool, err error)

	// read returns n bytes of c from offset on; n is more than 0. They are followed
	// by io.EOF only if all of them came, and were c's.
	read(ctx context.Context, c pipeline.Content, offset, n int64) (io.ReadCloser, error)

	// prove tells whether c is still what was listed.
	prove(ctx context.Context, c pipeline.Content) error
}

// taker takes an object: a current one, or one that is noncurrent only.
type taker = func(c pipeline.Content, current bool) error

const (
	opRead  = "read content in"
	opStage = "stage content of"

	hintRelist   = "it is part of the job's state; begin again with move --restart"
	hintLocation = "source.binaries must name the bucket of Binary contents, or a directory that holds a plain copy of it"
)

// fault classifies an error of the local disk. Paths of contents hold ids, so
// that no path is kept but the one in object (I10).
func fault(op, object string, err error) error {
	switch {
	case errors.Is(err, listing.ErrDamaged), errors.Is(err, listing.ErrOther):
		return &pipeline.Error{Op: op, Object: object, Kind: pipeline.KindCheckpoint, Err: err, Hint: hintRelist}
	case errors.Is(err, listing.ErrTwice):
		return &pipeline.Error{Op: op, Object: object, Kind: pipeline.KindRetryLater, Err: err, Hint: "let nothing write to the bucket while it is listed, and run the same command again"}
	default:
		return durable.Failure(op, object, bare(err))
	}
}

// bare returns err without the path that it is about.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	return err
}

// changed and gone say what no retry mends.
func changed(op, place string) error {
	return &pipeline.Error{
		Op: op, Object: place, Kind: pipeline.KindFatal, Err: pipeline.ErrContentChanged,
		Hint: "let nothing write there while the job runs",
	}
}

func gone(op, place string) error {
	return &pipeline.Error{
		Op: op, Object: place, Kind: pipeline.KindFatal, Err: pipeline.ErrContentGone,
		Hint: "restore it, or let the record go to quarantine",
	}
}

// versionsHidden remarks of the erased objects that they could not be looked for.
const versionsHidden = 1
