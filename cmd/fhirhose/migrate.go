package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
)

func newMigrate(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Export, move, import and verify, up to the answer whether it is safe to cut over",
		Long: `Runs a whole migration, one verb after the other: export (if the job file names a
table), move, import with the deletes, verify, report. Each goes on where it was
interrupted, and one that is finished touches nothing: run the same command again
after any interruption, for days on end.

It stops where a person has to decide: at quarantined records, unless on_quarantine
is continue; at resources that HealthLake refuses, unless on_import_error is
continue; at counts or contents that differ. What fhirhose quarantine accept has
named does not stop it. Deletes that could not be applied do not either: all folders
are in, so that it goes on to verify, and the report names them as an open point.
What may pass by itself (network, throttling, a full disk) is tried again, after
pauses of up to 15 minutes, for a day.

The first line of the report says whether it is safe to cut over, and the exit code
is 0 only then. Otherwise it is that of the verb which it stopped at: 2 settings,
3 quarantined or refused records, 4 a difference, 5 try again later, 7 do not retry
before a repair, 10 checkpoint, 11 in use by another, 12 not authorised, 130/143
stopped by a signal.`,
		Example: `  fhirhose migrate -c clinic-a.yaml
  fhirhose check && fhirhose migrate     # look first at what there is to move, and what will fail`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.migrate(cmd.Context(), job)
		},
	}
	addSettings(cmd)
	return cmd
}

// phase is one verb of a migration.
type phase struct {
	name string
	run  func(context.Context) error
	// passes tells whether the migration goes on after the verb has ended so: what it
	// says is in the report.
	passes func(err error, code int) bool
}

// migrate runs the verbs of a migration in turn. What each says of itself goes to
// stdout, but for --json, which prints the report alone.
func (c *cli) migrate(ctx context.Context, job *jobfile.Job) error {
	// All settings are asked for now, and not days later.
	if err := cmp.Or(job.Importable(), job.Verifiable(verifyModes[job.Verify.Mode].exports)); err != nil {
		return err
	}
	log, err := c.logger(c.stderr)
	if err != nil {
		return err
	}
	quiet := *c
	if c.json {
		quiet.process = new(*c.process)
		quiet.stdout = io.Discard
	}
	for _, p := range quiet.phases(job) {
		log.Info("phase", "of", job.Name, "verb", p.name)
		err := quiet.persist(ctx, log, p)
		c.note("phase", map[string]any{"verb": p.name, "exit": exitCode(err, c.stopping)})
		switch code := exitCode(err, c.stopping); {
		case c.stopping.signal() != nil:
			return cmp.Or(err, endWith(signalCode(c.stopping.signal()))) // nil: it was finished by then
		case code != exitDone && !p.passes(err, code):
			// The report says what is open, and the verb how the process ends.
			if reported := c.report(job, reportFlags{}); reported != nil && !isQuiet(reported) {
				log.Warn("no report", "error", reported)
			}
			return err
		}
	}
	return c.report(job, reportFlags{})
}

// phases are the verbs of a job's migration.
func (c *cli) phases(job *jobfile.Job) (all []phase) {
	never := func(error, int) bool { return false }
	moved := func(_ error, code int) bool {
		if code != exitQuarantine || job.OnQuarantine == "continue" {
			return code == exitQuarantine
		}
		accepted, err := goesOnAfterMove(job)
		return err == nil && accepted
	}
	if !job.Source.Table.IsZero() {
		all = append(all, phase{"export", func(ctx context.Context) error { return c.exportJob(ctx, job) }, never})
	}
	imported := func(err error, code int) bool {
		return job.Target.HealthLake.OnImportError == "continue" && code == exitQuarantine || errors.Is(err, errStays)
	}
	return append(all,
		phase{"move", func(ctx context.Context) error { return c.move(ctx, job, moveFlags{}) }, moved},
		phase{"import", func(ctx context.Context) error { return c.importJob(ctx, job, nil, false) }, imported},
		phase{"verify", func(ctx context.Context) error { return c.verify(ctx, job, verifyFlags{}) }, never},
	)
}

// longestWait lies between two runs of a verb that may get on later; mostRuns of
// them, with these pauses, take a day.
const (
	longestWait = 15 * time.Minute
	mostRuns    = 100
)

// persist runs a verb again while it says that it may get on later.
func (c *cli) persist(ctx context.Context, log *slog.Logger, p phase) error {
	waiting, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = time.Minute, longestWait
	_, err := backoff.Retry(waiting, func() (struct{}, error) {
		err := p.run(ctx)
		if err != nil && exitCode(err, c.stopping) != exitRetryLater {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(mostRuns), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, pause time.Duration) {
		log.Warn("tried again later", "verb", p.name, "in", pause.Round(time.Second), "error", err, "hint", pipeline.HintOf(err))
	}))
	return err
}
