package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/survey"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
)

// listPatience is how long check lists contents; some millions of objects.
const listPatience = time.Minute

// sampleOptions convert a sample as `move` converts the whole.
func sampleOptions(job *jobfile.Job) convert.Options {
	options := convertOptions(job)
	if job.Source.BinaryRows == jobfile.BinariesFetch {
		options.BinaryField = job.Source.BinaryField
	}
	return options
}

// checkContents lists what source.binaries names, and holds the sampled rows
// against it. It writes nothing.
func checkContents(ctx context.Context, w *wiring, r *survey.Result) {
	contents, err := w.openContents(ctx)
	if err != nil {
		r.Fail(err)
		return
	}
	if contents == nil {
		return
	}
	defer func() { _ = contents.Close() }() // it was only read
	if contents.store != nil {
		r.LookAtVersions(ctx, contents.store)
	}
	one := r.LookAtContents(ctx, w.job.Source.Binaries.String(), contents.Walk, survey.ContentsOptions{
		Prefix: contentPrefix(w.job), MaxLine: binaryCaps(w.job).MaxLine(),
		Spool: contentSpool(w.job), Recover: w.job.Source.RecoverDeleted,
		Patience: listPatience, Quick: contents.store != nil,
	})
	if one != nil && contents.store != nil {
		proveContent(ctx, contents, *one, r)
	}
}

// proveContent reads the last byte of a content.
func proveContent(ctx context.Context, contents *openedContents, c pipeline.Content, r *survey.Result) {
	in, err := contents.Open(ctx, c, max(0, c.Size-1))
	if err == nil {
		_, err = io.Copy(io.Discard, in)
		err = errors.Join(err, in.Close())
	}
	switch {
	case errors.Is(err, pipeline.ErrContentGone), errors.Is(err, pipeline.ErrContentChanged):
		r.Warn("an object of the binary bucket changed while it was looked at; let nothing write there while the job runs")
	case err != nil:
		r.Fail(err)
	default:
		r.Probes = append(r.Probes, "an object of the binary bucket can be read, and decrypted where it is encrypted")
	}
}
