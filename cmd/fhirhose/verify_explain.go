package main

import (
	"context"
	"io"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// explain names the elements in which what was found differs, the last act of a mode.
// It fails only where state cannot be written: of what it cannot read, the result says
// so. A run that was killed in it explains again.
func (v *verifying) explain(ctx context.Context, of func(*verify.Explainer, []*verify.Subject) error) error {
	subjects, left, err := v.result.Explainable(v.job.State)
	if err != nil {
		return err
	}
	if len(subjects) > 0 {
		v.seen.verifying("", func(t *metrics.VerifyTotals) { t.Step = "explain" })
		v.log.Info("comparing element by element", "resources", len(subjects), "left", left)
		if err := v.explainAll(ctx, func(x *verify.Explainer) error { return of(x, subjects) }); err != nil {
			if ctx.Err() != nil {
				return err
			}
			v.log.Warn("not all could be compared element by element", "error", err)
		}
	}
	return v.result.Explain(v.job.State, subjects, left)
}

// explainPieces are read at once of files that may have 5 GB, up to the wanted line.
const explainPieces = 8 << 20

// explainAll reads the lines of the job's output, at limits.bandwidth.
func (v *verifying) explainAll(ctx context.Context, of func(*verify.Explainer) error) error {
	w := v.wiring
	w.bandwidth = objectstore.NewBandwidth(v.job.Limits.Bandwidth)
	sinks, err := w.openSink(ctx, ctx)
	if err != nil {
		return err
	}
	defer sinks.close()
	sink, err := sinks.tenant(v.tenant)
	if err != nil {
		return err
	}
	x := &verify.Explainer{
		Options: verify.Options{Dir: v.workDir(), Memory: v.memory(), Imported: v.result.Changed, Marks: healthlake.Marks()},
		Book:    v.book,
		Open: func(ctx context.Context, name string) (io.ReadCloser, error) {
			return openPieces(ctx, sink, name, explainPieces)
		},
	}
	if v.result.Mode == verification.Source {
		x.Marks = verify.Marks{}
	}
	return of(x)
}
