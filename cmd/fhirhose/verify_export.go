package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/exporting"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// verifyExport has the data store export everything, digests that and compares it
// with the ledger. It goes on with the export whose number the result bears; a new
// result gets a new number.
func verifyExport(ctx context.Context, v *verifying) error {
	if v.result.Attempt == 0 {
		if err := v.beginExport(); err != nil {
			return err
		}
	}
	job, err := v.runExport(ctx)
	if err != nil {
		return err
	}
	v.result.Job, v.result.Output = job.ID, job.Output
	if err := v.result.Save(v.job.State); err != nil {
		return err
	}
	bucket, err := v.openExported(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	exported, err := healthlake.OpenExport(job, bucket)
	if err != nil {
		return err
	}
	names, err := v.listExport(ctx, exported)
	if err != nil {
		return err
	}
	o := verify.Options{
		Dir: v.workDir(), Workers: v.job.Limits.Workers, Memory: v.memory(),
		Imported: v.result.Changed, Marks: healthlake.Marks(), Refused: v.refused,
		Covered: func(lines, bytes int64) {
			v.seen.verifying("", func(t *metrics.VerifyTotals) {
				t.ResourcesDone, t.BytesDone, t.BytesSkipped = lines, bytes, bytes
			})
		},
		Digested: func(lines, bytes int64) {
			v.seen.verifying("", func(t *metrics.VerifyTotals) { t.ResourcesDone, t.BytesDone = t.ResourcesDone+lines, t.BytesDone+bytes })
		},
	}
	if err := verify.Digest(ctx, exported, o); err != nil {
		return err
	}
	v.log.Info("the export is digested; comparing it with the ledger")
	v.seen.verifying("", func(t *metrics.VerifyTotals) { t.Step, t.BytesDone = "compare", t.Bytes })
	if err := v.compare(ctx, o, names); err != nil {
		return err
	}
	return v.explain(ctx, func(x *verify.Explainer, subjects []*verify.Subject) error {
		return x.Exported(ctx, subjects, exported)
	})
}

// beginExport gives the verification the next number, and forgets what the last one
// has digested.
func (v *verifying) beginExport() error {
	last, err := exporting.Last(v.store, v.tenant)
	if err != nil {
		return err
	}
	if err := v.removeWork(); err != nil {
		return err
	}
	v.result.Attempt = 1
	if last != nil {
		v.result.Attempt += last.Attempt
	}
	return v.result.Save(v.job.State)
}

// workDir holds what is digested, or how far a mode has come, until the verification
// has come to its end.
func (v *verifying) workDir() string {
	return filepath.Join(verification.Dir(v.job.State, v.tenant), v.result.Mode+".work")
}

func (v *verifying) removeWork() error {
	return durable.Failure("remove", v.workDir(), os.RemoveAll(v.workDir()))
}

// tidy removes what only a verification needs that has not come to its end.
func (v *verifying) tidy() error { return v.removeWork() }

func (v *verifying) runExport(ctx context.Context) (exporting.Job, error) {
	v.seen.verifying("", func(t *metrics.VerifyTotals) { t.Step = "export" })
	waits := ""
	job, err := exporting.New(v.destination.store.Exports(), v.store, exporting.Options{
		Job: v.job.Name, Tenant: v.tenant, RunID: v.store.RunID(), Target: v.about.ARN,
		Log: v.log, Pause: cmp.Or(v.importPause, firstPause),
		Waiting: func(what string) {
			v.seen.verifying(what, func(*metrics.VerifyTotals) {})
			if what != "" && what != waits {
				v.log.Info("waiting", "for", what)
				waits = what
			}
		},
	}).Run(ctx, v.result.Attempt)
	if v.stopping.stopped(err) {
		return job, ended{signalCode(v.stopping.signal()), v.leftExport()}
	}
	return job, err
}

// leftExport names the job that goes on without us.
func (v *verifying) leftExport() error {
	e := &pipeline.Error{Op: "verify", Object: v.job.Name, Err: errors.New("stopped by a signal"), Hint: "fhirhose verify"}
	if v.file != "" {
		e.Hint += " -c " + v.file
	}
	e.Hint += " goes on from here"
	if last, err := exporting.Last(v.store, v.tenant); err == nil && last != nil {
		e.Object, e.Err = last.Name, errors.New("stopped by a signal; the export of that name goes on in HealthLake")
	}
	return e
}

// listExport returns the names of all exported objects by number: 200,000 of 10^9
// resources.
func (v *verifying) listExport(ctx context.Context, exported verify.Export) (names []string, err error) {
	bytes := int64(0)
	for object, err := range exported.Objects(ctx) {
		if err != nil {
			return nil, err
		}
		names = append(names, object.Name)
		bytes += object.Size
	}
	v.log.Info("reading the export", "objects", len(names), "bytes", bytes)
	v.seen.verifying("", func(t *metrics.VerifyTotals) { t.Step, t.Bytes = "read", bytes })
	return names, nil
}

// compare fills the result with what digests and ledger say, and writes each
// finding.
func (v *verifying) compare(ctx context.Context, o verify.Options, names []string) error {
	v.result.Reset()
	findings, err := verification.OpenFindings(v.job.State, v.tenant, v.result.Mode, 0)
	if err != nil {
		return err
	}
	compared, err := verify.Compare(ctx, v.book, o, func(f *verify.Finding) error {
		if f.Cause != verify.NoCause {
			v.result.Causes[f.Cause.String()]++
		}
		return findings.Add(findingOf(f, names))
	})
	if err != nil {
		return err
	}
	for name, tally := range compared.Types {
		for _, class := range verify.Classes() {
			v.result.Add(name, class, tally.Classes[class])
		}
	}
	v.result.Add("", verify.Unchecked, compared.Anonymous)
	v.result.Findings, err = findings.Close(v.job.State)
	return err
}

// findingOf writes a finding as its file has it; names are those of the exported
// objects.
func findingOf(f *verify.Finding, names []string) *verification.Finding {
	it := &verification.Finding{Class: f.Class.String(), Cause: f.Cause.String(), Type: f.Type}
	if f.Source != nil {
		it.ID, it.Version = string(f.Source.ID), f.Source.Version
	}
	if f.InExport {
		it.Object, it.Line = names[f.Object], f.Line
	}
	if f.Reason != pipeline.NoReason {
		it.Reason = f.Reason.String()
	}
	return it
}
