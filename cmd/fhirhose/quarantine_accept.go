package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/acceptance"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// acceptFlags are the flags of quarantine accept alone.
type acceptFlags struct {
	by, because string
	yes         bool
}

func newQuarantineAccept(c *cli) *cobra.Command {
	var f acceptFlags
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Go on without what could not be moved, or was refused: say who, and why",
		Long: `Says that a named person knows what is in no data store, and goes on without it: the
records that the move has quarantined, and the resources that HealthLake has refused,
as they are now. It shows them by reason and type, asks on a terminal, and elsewhere
needs --yes. Who accepted what, when and why goes into the checkpoint, the audit log
and every report: --by and --because must not name a patient or hold a value.

import, migrate and verify then go on, and the report may say SAFE TO CUT OVER: yes,
followed by what was accepted. What comes later, or changes, is not covered: accept
again. It cannot be taken back; a second time it changes nothing.

What it never accepts: resources of which the data store serves an earlier version,
resources that a verification finds missing or different for any other cause, totals
that do not balance, deletes that were not applied, ids that two types use, a broken
audit log. Nor does it let clean remove the only copies: clean --quarantine does.

Exit codes: 0 accepted, or nothing to accept, 4 it may not be accepted; 2 settings, or
nobody said yes, 10 checkpoint, 11 in use by another.`,
		Example: `  fhirhose quarantine list
  fhirhose quarantine accept --by "Jane Roe, privacy officer" --because "test rows of 2019, ticket 4711"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err // a slip of the command line is no deed
			}
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.accept(cmd.Context(), job, f)
		},
	}
	addSettings(cmd)
	cmd.Flags().StringVar(&f.by, "by", "", "name of the person who accepts; required")
	cmd.Flags().StringVar(&f.because, "because", "", "why, in one line; required. It stands in the audit log and in reports: no patient data")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "accept without asking")
	return cmd
}

// mostWords bounds --by and --because, in bytes.
const mostWords = 500

func (f *acceptFlags) check() error {
	for flag, text := range map[string]*string{"--by": &f.by, "--because": &f.because} {
		*text = strings.TrimSpace(*text)
		if *text == "" || len(*text) > mostWords || strings.ContainsFunc(*text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return usageError(fmt.Errorf("%s is to be one line of at most %d bytes", flag, mostWords),
				`fhirhose quarantine accept --by "NAME" --because "WHY", without any patient data`)
		}
	}
	return nil
}

// accept owns what it holds as long as it runs: lock and checkpoint.
func (c *cli) accept(ctx context.Context, job *jobfile.Job, f acceptFlags) (err error) {
	if err := job.Importable(); err != nil { // of a job without a target no report judges
		return err
	}
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	done, err := ownFinished(job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done.close()) }()
	left, err := done.leftOver(job)
	if err != nil {
		return err
	}
	open := slices.DeleteFunc(slices.Clone(left.sets), left.book.Covers)
	if len(open) == 0 {
		return c.writeAccepted(left)
	}
	if err := mayAccept(job, done.store, done.moved, open); err != nil {
		return err
	}
	if _, err := io.WriteString(c.stderr, acceptText(job, open, f)); err != nil {
		return err
	}
	if !f.yes {
		if err := c.confirm(ctx, "accept", "Go on without them?", "nothing was accepted"); err != nil {
			return err
		}
	}
	if err := c.acceptSets(done.store, left, open, f); err != nil {
		return err
	}
	return c.writeAccepted(left)
}

// mayAccept refuses what nobody may accept: then nothing is.
func mayAccept(job *jobfile.Job, store output.Entries, moved *records.Finished, open []*acceptance.Set) error {
	no := func(hint, format string, args ...any) error {
		return ended{exitDifference, &pipeline.Error{Op: "accept", Object: job.Name, Err: fmt.Errorf(format+": nothing was accepted", args...), Hint: hint}}
	}
	if types := moved.Status.Unbalanced(); len(types) > 0 {
		return no("keep the state directory, do not use the output, and report it", "totals do not balance")
	}
	for _, s := range open {
		if s.Of != acceptance.Refused {
			continue
		}
		r, err := importing.RefusalsOf(store, s.Tenant)
		switch {
		case err != nil:
			return err
		case r == nil || r.Failures != s.Records:
			return no("fhirhose import", "%sit is not known whether the data store serves earlier versions of what was refused", ofTenant(s.Tenant))
		case r.Stale > 0:
			return no("mend what HealthLake says, then fhirhose quarantine replay",
				"%sof %s the data store serves an earlier version, which may not be accepted", ofTenant(s.Tenant), human.Plural(r.Stale, "resource"))
		}
	}
	return nil
}

// acceptSets tells the audit log first: what is accepted without it having been told
// would be nobody's.
func (c *cli) acceptSets(store *checkpoint.Store, left *leftOver, open []*acceptance.Set, f acceptFlags) error {
	all := make([]*acceptance.Acceptance, len(open))
	changes := make([]output.Change, len(open))
	at := time.Now().UTC().Truncate(time.Second)
	for i, s := range open {
		who := c.trail.start
		all[i] = &acceptance.Acceptance{Set: *s, By: f.by, Because: f.because, At: at, Principal: who.Principal.ARN, Host: who.Host, User: who.User}
		var err error
		if changes[i], err = all[i].Change(); err != nil {
			return err
		}
	}
	c.note("accepted", all)
	if err := c.trail.untold(); err != nil {
		return err
	}
	if err := store.Commit(changes); err != nil {
		return err
	}
	var err error
	left.book, err = acceptance.Load(store)
	return err
}

// acceptText says what is about to be accepted.
func acceptText(job *jobfile.Job, open []*acceptance.Set, f acceptFlags) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("job %s goes on without", job.Name)
	for _, s := range open {
		line("  %s%s (SHA-256 %s)", ofTenant(s.Tenant), s, s.SHA256)
		for _, of := range s.Counts {
			meaning := ""
			if s.Of == acceptance.Quarantined {
				meaning = ": " + report.Meaning(of.Reason)
			}
			line("    %8s  %-20s %s%s", human.Count(of.Records), of.Type, of.Reason, meaning)
		}
	}
	line("accepted by %s, because %s", f.by, f.because)
	line("This goes into the audit log and into every report, word for word: it must name no patient, and hold no patient data.")
	return b.String()
}

// writeAccepted prints what is accepted of a job.
func (c *cli) writeAccepted(left *leftOver) error {
	all := append([]*acceptance.Acceptance{}, left.accepted()...)
	if c.json {
		return json.NewEncoder(c.stdout).Encode(all)
	}
	var b strings.Builder
	for _, a := range all {
		_, _ = fmt.Fprintf(&b, "accepted: %s\n", a)
	}
	_, err := io.WriteString(c.stdout, cmp.Or(b.String(), "there is nothing to accept\n"))
	return err
}
