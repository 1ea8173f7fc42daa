package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// verifyFlags are the flags of verify alone.
type verifyFlags struct {
	mode  string // "": as verify.mode says
	again bool
	// against is what is looked at: "target", or "source".
	against string
}

func newVerify(c *cli) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove what the data store holds against the job's ledger",
		Long: `Says of every resource what became of it in the data store: each ends in one
class, such as equal, missing, different, label lost, deleted and gone. What could
not be checked is never counted as good. The other side is the job's ledger, never
the live source.

Modes: export has HealthLake export all its resources to verify.export_to, reads
that once, and compares digests: the way for any number of resources, and the only
one that finds all there is to find. counts compares numbers of resources per type.
sample reads verify.sample of the resources, always the same ones, and compares each;
full does so with all of them, one call each. history looks for every version of the
sample's resources.

--against source reads the same sample from the live FHIR Works API instead, and
says what changed there since the export: the target cannot have that. It takes
API_URL, API_KEY and COGNITO_*, or SMART_*, from the environment, as the FHIR Works
tool does. Binaries are left out: that API gives a URL instead of their data.

Run the same command again after any interruption: it goes on where it was, with
the same export. A verification that passed is not repeated without --again. What
is found of single resources is kept in state/verify: it is PHI. docs/verify.md
says what each class means and what each mode can prove. It was tested against a
simulation, never against live HealthLake.

Exit codes: 0 all is as it should be, or accepted (fhirhose quarantine accept), 4 it is not, 5 try again later, 7 HealthLake
gave up on its export: repair, then again; 2 settings, or the import is not
finished, 10 checkpoint, 11 in use by another, 12 not authorised, 130/143 stopped
by a signal.`,
		Example: `  fhirhose verify -c clinic-a.yaml
  fhirhose verify -c clinic-a.yaml --mode counts --json
  fhirhose verify -c clinic-a.yaml --mode history --verify.sample 5000
  fhirhose verify -c clinic-a.yaml --again          # prove it anew, with another export`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.verify(cmd.Context(), job, f)
		},
	}
	addSettings(cmd)
	cmd.Flags().StringVar(&f.mode, "mode", "", "how to prove it: export, counts, sample, full, history; instead of verify.mode")
	cmd.Flags().StringVar(&f.against, "against", "target", "compare the ledger with the target, or with the live source: what changed there since the export")
	cmd.Flags().BoolVar(&f.again, "again", false, "verify anew, though the last verification passed or was interrupted")
	return cmd
}

// verifyMode is a way to verify.
type verifyMode struct {
	exports bool           // it has the target export
	samples bool           // it looks at verify.sample alone
	classes []verify.Class // that it can tell
	// run fills v.result, but for its Ended. It is called again after a kill, with
	// the result as it was saved last.
	run func(ctx context.Context, v *verifying) error
}

// verifyModes are the modes by name.
var verifyModes = map[string]verifyMode{
	verification.Export:  {exports: true, classes: slices.DeleteFunc(verify.Classes(), notOfTarget), run: verifyExport},
	verification.Counts:  {classes: []verify.Class{verify.Missing, verify.Extra, verify.Unchecked}, run: verifyCounts},
	verification.Sample:  {samples: true, classes: currentClasses, run: verifyCurrent},
	verification.Full:    {classes: currentClasses, run: verifyCurrent},
	verification.History: {samples: true, classes: currentClasses, run: verifyHistories},
	verification.Source:  {samples: true, classes: append(currentClasses, verify.ChangedAtSource), run: verifySource},
}

// currentClasses are those of modes that ask for what the ledger knows.
var currentClasses = slices.DeleteFunc(verify.Classes(), func(c verify.Class) bool { return notOfTarget(c) || c == verify.Extra })

// notOfTarget is the class that only a look at the source can tell.
func notOfTarget(c verify.Class) bool { return c == verify.ChangedAtSource }

// verify owns what a verification holds as long as it runs: lock and checkpoint.
func (c *cli) verify(ctx context.Context, job *jobfile.Job, f verifyFlags) (err error) {
	name := cmp.Or(f.mode, job.Verify.Mode)
	switch {
	case f.against == "source" && (f.mode == "" || f.mode == verification.Sample || f.mode == verification.Source):
		name = verification.Source
	case f.against != "" && f.against != "target": // "" is of migrate
		return usageError(fmt.Errorf("verify knows no --mode %s --against %s", name, f.against), "--against source reads the sample from the live source")
	}
	mode, ok := verifyModes[name]
	if !ok {
		return usageError(fmt.Errorf("verify has no mode %q", name), "`fhirhose verify --help` lists the modes")
	}
	if err := job.Verifiable(mode.exports); err != nil {
		return err
	}
	logs := &switchWriter{to: c.stderr}
	log, closeLog, err := c.phaseLog(logs, job, verifyLog)
	if err != nil {
		return err
	}
	defer func() { err = closeLog(err) }()
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	done, err := ownFinished(job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done.close()) }()
	limitMemory(job.Limits.Memory, log)
	seen := newObservation(job)
	server, err := serve(ctx, job.Listen, seen.status, metrics.NewRegistry(metrics.NewCollector(seen.status, collectorLabels())))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	seen.verifies(&done.moved.Status)
	left, err := done.leftOver(job)
	if err != nil {
		return err
	}
	v := verifying{left: left, cli: c, wiring: wiring{job: job, seen: seen}, mode: mode, store: done.store, moved: done.moved, log: log}
	for _, d := range done.to {
		if err := v.imported(d); err != nil {
			return err
		}
	}
	var results []*verification.Result
	if err := v.shown(ctx, logs, func(ctx context.Context) error {
		for _, d := range done.to {
			v.destination = d
			r, err := v.one(ctx, name, f.again)
			if err != nil {
				return err
			}
			results = append(results, r)
		}
		return nil
	}); err != nil {
		return err
	}
	c.note("verified", verifiedNote(results))
	if err := writeVerification(c.stdout, job, results, left, c.json); err != nil {
		return err
	}
	if slices.ContainsFunc(results, func(r *verification.Result) bool { return !v.left.passed(r) }) {
		return endWith(exitDifference)
	}
	return nil
}

// shown works, and shows how far it is meanwhile: in status.json, and on stdout but
// for --json.
func (v *verifying) shown(ctx context.Context, logs *switchWriter, work func(context.Context) error) error {
	watched, cancel := context.WithCancel(ctx)
	watchers, watched := errgroup.WithContext(watched)
	watchers.Go(func() error { return v.seen.renew(watched) })
	closeView := func() {}
	if !v.json {
		view, every := v.newView(logs)
		watchers.Go(func() error { return show(watched, view, every, v.seen.status) })
		closeView = func() { view.Close(); logs.switchTo(v.stderr) }
	}
	err := work(ctx)
	cancel()
	seen := watchers.Wait()
	closeView()
	if err == nil {
		v.seen.verifiedAll()
		seen = errors.Join(seen, v.seen.write())
	}
	if seen != nil {
		v.log.Warn("the status could not be written", "error", seen)
	}
	return err
}

// verifying is one run of one mode: over one data store after the other.
type verifying struct {
	*cli
	wiring
	mode  verifyMode
	store *checkpoint.Store
	moved *records.Finished
	left  *leftOver
	log   *slog.Logger

	// Of the data store at hand.
	*destination
	book    *ledger.Ledger
	result  *verification.Result
	refused func(*ledger.Entry) bool // by its import
}

// imported refuses to verify before all folders have arrived.
func (v *verifying) imported(d *destination) error {
	known, err := importing.Records(v.store, d.tenant)
	if err != nil {
		return err
	}
	for _, folder := range d.folders {
		if r := known[folder.Name]; r == nil || !r.Done {
			return &pipeline.Error{
				Op: "verify", Object: v.job.Name, Kind: pipeline.KindConfig,
				Err: fmt.Errorf("its import is not finished: folder %s is not in", path.Join(d.tenant, folder.Name)), Hint: "fhirhose import",
			}
		}
	}
	return nil
}

// one verifies what one data store holds. It goes on with the last verification
// of this mode, or begins anew; one that passed, and is still of the same data, is
// not repeated.
func (v *verifying) one(ctx context.Context, mode string, again bool) (*verification.Result, error) {
	o := v.options(v.job)
	o.Output, o.RequestsPerSecond = v.job.Verify.ExportTo.String(), float64(v.job.Verify.RequestsPerSecond)
	if err := v.openAs(ctx, o); err != nil {
		return nil, err
	}
	v.result = verification.New(mode, v.tenant, v.about.ARN, v.moved.LedgerRoot(v.tenant), v.mode.classes...)
	if v.mode.samples {
		v.result.Share = v.job.Verify.Sample.String()
	}
	var err error
	if v.result.Changed, err = lastChange(v.store, v.tenant); err != nil {
		return nil, err
	}
	if v.result.Changes, err = changesOf(v.store, v.tenant); err != nil {
		return nil, err
	}
	known, err := verification.Load(v.job.State, v.tenant)
	if err != nil {
		return nil, err
	}
	for _, last := range known {
		switch {
		case again || !last.Of(v.result):
		case last.Proves(v.result, v.left.passed):
			v.log.Info("it has passed; --again verifies anew", "job", v.job.Name, "tenant", v.tenant, "mode", mode, "ended", last.Ended)
			return last, v.tidy()
		case last.Ended.IsZero():
			v.result = last
		}
	}
	if err := v.result.Save(v.job.State); err != nil {
		return nil, err
	}
	v.seen.verifying("", func(t *metrics.VerifyTotals) {
		*t = metrics.VerifyTotals{Mode: mode, Tenant: v.tenant, Classes: t.Classes}
	})
	v.log.Info("verifying", "job", v.job.Name, "tenant", v.tenant, "mode", mode, "datastore", v.about.ARN)
	book, closeBook, err := v.openLedger(ctx, v.store, v.moved, v.tenant)
	if err != nil {
		return nil, err
	}
	defer closeBook()
	v.book = book
	if v.refused, err = v.refusals(ctx); err != nil {
		return nil, err
	}
	if err := v.mode.run(ctx, v); err != nil {
		return nil, err
	}
	v.result.Ended = time.Now().UTC().Truncate(time.Millisecond)
	if err := v.result.Save(v.job.State); err != nil {
		return nil, err
	}
	v.seen.verifying("", func(t *metrics.VerifyTotals) {
		for class, n := range v.result.Classes {
			t.Classes[class] += n
		}
	})
	return v.result, v.tidy()
}

// memory is the share of limits.memory that a mode may hold; the other half is for
// what the runtime, the SDK and the checkpoint need.
func (v *verifying) memory() int { return int(v.job.Limits.Memory / 2) }
