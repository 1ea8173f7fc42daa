package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/replaying"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

func newQuarantineReplay(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Send again what HealthLake has refused, where no later version is in",
		Long: `Sends again the resources that HealthLake has refused at import, once the cause is
mended: a quota, throttling, a failure of the service, a missing profile. What is sent
is the line that was imported, as it lies in the sink; a resource that is wrong in
itself is refused again, and stays among the failures.

A version is sent only if no later one of the same resource is in the data store:
none was taken by our own account, and what HealthLake holds, read a moment before, is
an older version of ours (the write names it, If-Match) or nothing at all. Versions go
one after the other, oldest first. Resources that are deleted in the source, unsettled
or ambiguous are not sent.

What is taken leaves the failures and counts as imported; a verification that was made
before is void. Run the same command again after any interruption: nothing is counted
twice. It was tested against a simulation, never against live HealthLake.

Exit codes: 0 nothing is left, 3 resources stay refused, 5 try again later, 7 the
sink is not as the move has left it; 2 settings, or an import is under way, 10
checkpoint, 11 in use by another, 12 not authorised, 130/143 stopped by a signal.`,
		Example: `  fhirhose quarantine list
  fhirhose quarantine replay -c clinic-a.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.replay(cmd.Context(), job)
		},
	}
	addSettings(cmd)
	return cmd
}

// replaySummary is what `quarantine replay --json` prints, for each data store.
type replaySummary struct {
	Tenant string `json:"tenant,omitempty"`
	replaying.Counts
}

func (c *cli) replay(ctx context.Context, job *jobfile.Job) (err error) {
	if err := job.Importable(); err != nil {
		return err
	}
	log, err := c.logger(c.stderr)
	if err != nil {
		return err
	}
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	done, err := ownFinished(job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done.close()) }()
	limitMemory(job.Limits.Memory, log)
	i := importRun{cli: c, job: job, store: done.store, log: log}
	var all []replaySummary
	var end error
	for _, d := range done.to {
		counts, err := i.replay(ctx, d, done.moved)
		if err == nil {
			err = i.judge(ctx, d) // what is stale now
		}
		all = append(all, replaySummary{d.tenant, counts})
		if end = err; end != nil {
			break
		}
	}
	c.note("replayed", all)
	if err := writeReplays(c.stdout, all, c.json); err != nil || end != nil {
		return errors.Join(end, err)
	}
	for _, s := range all {
		if s.Left() > 0 {
			return endWith(exitQuarantine)
		}
	}
	return nil
}

// replay sends again what one data store has refused.
func (i *importRun) replay(ctx context.Context, d *destination, moved *records.Finished) (counts replaying.Counts, err error) {
	if err := d.open(ctx, i.job); err != nil {
		return counts, err
	}
	w := wiring{job: i.job, seen: newObservation(i.job)}
	sinks, err := w.openSink(ctx, ctx)
	if err != nil {
		return counts, err
	}
	defer sinks.close()
	sink, err := sinks.tenant(d.tenant)
	if err != nil {
		return counts, err
	}
	book, closeBook, err := w.openLedger(ctx, i.store, moved, d.tenant)
	if err != nil {
		return counts, err
	}
	defer closeBook()
	counts, err = replaying.New(d.store.Replays(), i.store, book, replaying.Options{
		Tenant: d.tenant, State: i.job.State, Target: d.about.ARN, Resource: healthlake.RefusedResource,
		Open:  func(ctx context.Context, name string) (io.ReadCloser, error) { return openWhole(ctx, sink, name) },
		Batch: i.job.Target.HealthLake.BundleSize, Memory: int(i.job.Limits.Memory / 8),
		Marks: healthlake.Marks(), Log: i.log, Pause: i.importPause,
	}).Run(ctx)
	if err != nil {
		return counts, err
	}
	return counts, i.judge(ctx, d)
}

func writeReplays(out io.Writer, all []replaySummary, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(all)
	}
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	for _, s := range all {
		line("%s%s taken, %s stay refused", ofTenant(s.Tenant), human.Plural(s.Taken, "resource"), human.Count(s.Left()))
		for _, r := range []struct {
			n   int64
			why string
		}{
			{s.Refused, "refused again: mend their cause, then once more"},
			{s.Overtaken, "not sent: a later version is in the data store; its history lacks these"},
			{s.Changed, "not sent: the data store holds what is not an older version of ours, or has deleted it"},
			{s.Unchecked, "not sent: what the data store holds cannot be compared"},
			{s.Deleted, "not sent: deleted in the source, unsettled or ambiguous"},
			{s.Unplaced, "not sent: HealthLake does not say which line it refused"},
			{s.Large, "not sent: over 16 MiB"},
		} {
			if r.n > 0 {
				line("  %8s  %s", human.Count(r.n), r.why)
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
