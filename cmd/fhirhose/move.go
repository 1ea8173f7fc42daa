package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/progress"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// moveFlags are the flags of move alone.
type moveFlags struct {
	restart  bool
	yes      bool
	textfile string
}

func newMove(c *cli) *cobra.Command {
	var f moveFlags
	cmd := &cobra.Command{
		Use:   "move",
		Short: "Move the records of the source into folders of the sink",
		Long: `Moves every record of the source into folders of NDJSON in the sink, exactly
once. Run the same command again after any interruption: it goes on from the last
cut, and the finished output is the same, byte for byte. On a finished job it
touches nothing and ends as the finishing run did.

A signal (Ctrl-C, SIGTERM) drains what is under way to a cut and ends with exit
code 130 or 143; a second one stops at once, and what is not committed is read
again next time. Progress goes to stdout, log lines to stderr.

Exit codes: 0 done, 3 done with quarantine, 5 try again later, 7 do not retry
before a repair, 2 settings, 10 checkpoint, 11 in use by another, 12 not
authorised, 130/143 stopped by a signal.`,
		Example: `  fhirhose move
  fhirhose move -c clinic-a.yaml --limits.memory=1GiB
  fhirhose move --json --metrics-textfile=/var/lib/node_exporter/fhirhose.prom
  fhirhose move --restart          # remove what this job has written, and begin again`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.move(cmd.Context(), job, f)
		},
	}
	addSettings(cmd)
	cmd.Flags().BoolVar(&f.restart, "restart", false, "remove this job's output and state, after showing it, and begin again")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask before --restart removes")
	cmd.Flags().StringVar(&f.textfile, "metrics-textfile", "", "write the metrics to this file every 15 s and at the end")
	return cmd
}

// move owns everything that lives as long as one run of a job: lock, server,
// view, and in the end the last status.
func (c *cli) move(ctx context.Context, job *jobfile.Job, f moveFlags) (err error) {
	logs := &switchWriter{to: c.stderr}
	log, closeLog, err := c.phaseLog(logs, job, exportLog)
	if err != nil {
		return err
	}
	defer func() { err = closeLog(err) }()
	contents, closeContents, err := c.contentsLog(job)
	if err != nil {
		return err
	}
	defer func() { err = closeContents(err) }()
	for _, warning := range job.Warnings {
		log.Warn(warning)
	}
	lock, err := statedir.Take(job.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	limitMemory(job.Limits.Memory, log)

	seen := newObservation(job)
	registry := metrics.NewRegistry(metrics.NewCollector(seen.status, collectorLabels()))
	server, err := serve(ctx, job.Listen, seen.status, registry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	if server != nil {
		log.Info("serving /metrics, /healthz and /readyz", "address", server.address)
	}
	if f.restart {
		if err := c.restart(ctx, job, seen, f.yes); err != nil {
			return err
		}
	}
	opened, err := c.openJob(ctx, job, seen, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	seen.watch(opened.mover)

	r := running{cli: c, log: log, seen: seen, registry: registry, contents: contents, textfile: f.textfile}
	r.view, r.every = c.newView(logs)
	end := r.run(ctx, opened.mover)
	r.view.Close()
	logs.switchTo(c.stderr)
	return r.conclude(end)
}

// openJob has nothing to drain: the first signal stops it.
func (c *cli) openJob(running context.Context, job *jobfile.Job, seen *observation, log *slog.Logger) (*opened, error) {
	ctx, cancel := c.stopping.atOnce(running)
	defer cancel()
	return c.open(ctx, running, job, seen, log)
}

// running is one run of a job, wired up.
type running struct {
	*cli
	log      *slog.Logger
	seen     *observation
	view     progress.View
	every    time.Duration
	registry *prometheus.Registry
	contents contentsLog
	textfile string
}

// run moves, and shows it meanwhile.
func (r *running) run(ctx context.Context, m mover) ending {
	watched, cancel := context.WithCancel(ctx)
	watchers, watched := errgroup.WithContext(watched)
	watchers.Go(func() error { return show(watched, r.view, r.every, r.seen.status) })
	watchers.Go(func() error { return show(watched, r.contents, contentsEvery, r.seen.status) })
	watchers.Go(func() error { return r.writeTextfiles(watched) })
	watchers.Go(func() error { return r.sayStopping(watched) })
	end := r.end(m.Run(ctx, r.stopping.soft))
	cancel()
	if err := watchers.Wait(); err != nil {
		r.log.Warn(err.Error())
	}
	r.seen.ended(end)
	last := r.seen.status()
	r.view.Show(last.Updated, &last)
	r.contents.Show(last.Updated, &last)
	r.writeTextfile()
	return end
}

// sayStopping tells an impatient operator what the first signal does.
func (r *running) sayStopping(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-r.stopping.soft:
		r.log.Info("stopping: what is under way is committed first; a second signal stops at once")
	}
	return nil
}

// end says what the pipeline's error means for the process.
func (r *running) end(err error) ending {
	s := r.seen.status()
	switch {
	case err == nil:
		return ending{metrics.PhaseDone, finishedCode(&s), nil}
	case errors.Is(err, records.ErrStopped):
		return ending{metrics.PhaseStopped, signalCode(r.stopping.signal()), nil}
	case errors.Is(err, context.Canceled) && r.stopping.signal() != nil:
		return ending{metrics.PhaseFailed, signalCode(r.stopping.signal()), &pipeline.Error{
			Op: "move", Err: errors.New("stopped at once; what was not committed is read again next time"), Hint: "fhirhose move",
		}}
	default:
		return ending{metrics.PhaseFailed, kindCode(pipeline.KindOf(err)), err}
	}
}

// conclude leaves the last status behind, says how it ended, and returns the
// error that the process ends with.
func (r *running) conclude(end ending) error {
	r.noteMoved()
	if err := r.seen.write(); err != nil {
		r.log.Warn("the last status could not be written", "error", err)
	}
	if end.err != nil {
		return ended{end.exit, end.err}
	}
	if !r.json {
		s := r.seen.status()
		if err := report.Brief(r.stdout, &s, reportContext(r.seen.job), time.Now()); err != nil {
			return err
		}
	}
	return endWith(end.exit)
}

// noteMoved tells the audit log how far the job is.
func (r *running) noteMoved() {
	s := r.seen.status()
	r.note("records", struct {
		Phase       metrics.Phase `json:"phase"`
		Read        int64         `json:"read"`
		Written     int64         `json:"written"`
		Filtered    int64         `json:"filtered"`
		Quarantined int64         `json:"quarantined"`
		Bytes       int64         `json:"bytes_written"`
		Files       int64         `json:"files_sealed"`
	}{s.Phase, s.Read(), s.Written(), s.Filtered(), s.Quarantined(), s.BytesWritten(), s.FilesSealed})
}
