package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/cleaning"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/pipeline"
)

// cleanFlags are the flags of clean alone.
type cleanFlags struct{ yes, ledger, audit, quarantine bool }

func newClean(c *cli) *cobra.Command {
	var f cleanFlags
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove every copy that a proven job has made, with a certificate",
		Long: `Shows every copy of the data that this job has made or caused, with number, bytes,
encryption and versions: the DynamoDB export (if fhirhose export has started it), the
folders, the quarantine, the ledger, what HealthLake wrote about the imports, what it
exported for the verification, and the state directory; unfinished uploads and
noncurrent versions among them. On a terminal it then asks; elsewhere it removes
nothing without --yes.

It refuses before a verification of all resources (mode export or full) has passed,
for every tenant, after the last import and delete: so there is no stale, missing,
unsettled or unchecked resource. There is no flag against that.

It also refuses while there is what no verification misses: records that could not be
moved, and older versions that HealthLake has refused. The job's copies may be all
there is of them; --quarantine removes them too, and the certificate says how many.

Ledger and audit log stay unless they are named: --ledger, --audit. What this job is
not known to have made is counted, named and left; nothing is removed by a prefix
alone. Versions under Object Lock remain until its end, which is said.

File the report before: its numbers lie in the state directory. What was removed, when,
by which binary, and what remains stands in state/clean/certificate.json and .txt, and
is printed; it holds no PHI. Run the same command again after any interruption.

Exit codes: 0 removed; or shown, without --yes, 3 removed as far as S3 allows: the
certificate says what remains, 4 the job is not proven, nothing was removed, 5 try
again later, 2 settings, or nobody said yes, 7 the sink is not as the move has left
it, 10 checkpoint, 11 in use by another, 12 not authorised.`,
		Example: `  fhirhose report --html clinic-a.html   # file it first
  fhirhose clean -c clinic-a.yaml        # what there is
  fhirhose clean -c clinic-a.yaml --yes
  fhirhose clean -c clinic-a.yaml --yes --ledger     # years later`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.clean(cmd.Context(), job, f)
		},
	}
	addSettings(cmd)
	cmd.Flags().BoolVar(&f.yes, "yes", false, "remove without asking")
	cmd.Flags().BoolVar(&f.quarantine, "quarantine", false, "remove also what could not be moved or was refused: nobody else may have it")
	cmd.Flags().BoolVar(&f.ledger, "ledger", false, "remove the ledger too, with the claim and the manifest of the sink")
	cmd.Flags().BoolVar(&f.audit, "audit", false, "remove the audit log too, and its copies in the sink")
	return cmd
}

// cleaner is one run of clean.
type cleaner struct {
	wiring
	*cli
	plan   *cleaning.Plan
	before *cleaning.Survey
	places []cleaning.Place // state is the last
	kept   map[cleaning.Kind][]string
}

func (c *cli) clean(ctx context.Context, job *jobfile.Job, f cleanFlags) (err error) {
	if err := job.Importable(); err != nil { // what was not, is never proven
		return err
	}
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	lock, err := statedir.Take(job.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	k := cleaner{cli: c, wiring: wiring{job: job, seen: newObservation(job)}, kept: map[cleaning.Kind][]string{}}
	var refused error
	if k.plan, err = cleaning.Load(job.State); err != nil {
		return err
	}
	if k.plan == nil {
		if k.plan, refused, err = k.newPlan(f.quarantine); err != nil {
			return err
		}
	}
	k.plan.Ledger, k.plan.Audit = k.plan.Ledger || f.ledger, k.plan.Audit || f.audit
	closeAll, err := k.open(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	if k.before, err = k.look(ctx); err != nil {
		return err
	}
	ask := !f.yes && isTerminal(c.stdin)
	dry := !f.yes && !ask
	if err := k.show(refused, dry); err != nil {
		return err
	}
	switch {
	case dry:
		return nil
	case refused != nil:
		return ended{exitDifference, refused}
	case ask:
		if err := c.confirm(ctx, "clean", "Remove all this for ever?", "nothing was removed"); err != nil {
			return err
		}
	}
	return k.run(ctx)
}

// show tells what there is, and what a run would do.
func (k *cleaner) show(refused error, dry bool) error {
	if k.json {
		if !dry {
			return nil // the certificate is what is asked for
		}
		shown := struct {
			Copies  []*cleaning.Copy `json:"copies"`
			Others  int64            `json:"not_of_this_job"`
			Notes   []string         `json:"notes,omitempty"`
			Refused string           `json:"refused,omitempty"`
		}{Copies: k.before.Copies, Others: k.before.Others, Notes: k.before.Notes}
		if refused != nil {
			shown.Refused = refused.Error()
		}
		return json.NewEncoder(k.stdout).Encode(shown)
	}
	if _, err := fmt.Fprint(k.stdout, k.plan.Text(k.before)); err != nil || !dry {
		return err
	}
	words := "nothing was removed: --yes removes it"
	if refused != nil {
		words = "nothing was removed, and nothing can be yet: " + refused.Error()
		if hint := pipeline.HintOf(refused); hint != "" {
			words += "\ntry: " + hint
		}
	}
	_, err := fmt.Fprintln(k.stdout, words)
	return err
}

// look looks at all places.
func (k *cleaner) look(ctx context.Context) (*cleaning.Survey, error) {
	s := new(cleaning.Survey)
	for _, place := range k.places {
		seen, err := place.Look(ctx)
		if err != nil {
			return nil, err
		}
		s.Add(seen)
	}
	slices.SortStableFunc(s.Copies, func(a, b *cleaning.Copy) int {
		return slices.Index(cleaning.Kinds(), a.Kind) - slices.Index(cleaning.Kinds(), b.Kind)
	})
	return s, nil
}

// run removes, and certifies.
func (k *cleaner) run(ctx context.Context) error {
	if k.plan.Found == nil {
		k.plan.Begun, k.plan.By, k.plan.Found = time.Now().UTC().Truncate(time.Second), thisBinary(), k.before.Copies
		k.plan.NotFound = k.plan.Misses(k.before)
	}
	if err := k.plan.Save(k.job.State); err != nil {
		return err
	}
	state := len(k.places) - 1
	for i, place := range k.places {
		if i == state { // with which the audit log loses sight of the sink
			k.note("removed", k.plan.Found)
			if !k.plan.Audit {
				k.copyAudit(ctx, k.job)
			}
		}
		err := place.Remove(ctx, k.plan.Goes, func(kind cleaning.Kind, why string) {
			k.kept[kind] = append(k.kept[kind], why)
		})
		if err != nil {
			return err
		}
	}
	if k.plan.Audit {
		k.trail = nil // its last entry would begin a new log
	}
	after, err := k.look(ctx)
	if err != nil {
		return err
	}
	certificate := k.plan.Certify(after, k.kept)
	if err := certificate.Save(k.job.State); err != nil {
		return err
	}
	if k.json {
		err = json.NewEncoder(k.stdout).Encode(certificate)
	} else {
		_, err = fmt.Fprintf(k.stdout, "\n%s\nkept as %s\n", certificate.Text(), cleaning.CertificatePath(k.job.State, ".txt"))
	}
	if err == nil && !certificate.Removed {
		return endWith(exitQuarantine)
	}
	return err
}

func thisBinary() cleaning.Binary {
	b := thisBuild()
	return cleaning.Binary{Version: b.Version, Revision: b.Revision, SHA256: executableSum()}
}
