package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/find"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

func newFind(c *cli) *cobra.Command {
	var tenant string
	var target bool
	cmd := &cobra.Command{
		Use:   "find",
		Short: "Say what became of single resources; their ids come on stdin",
		Long: `Reads ids from stdin, one on each line: Type/id, or an id alone, which asks for all
types. For each it says what the ledger knows of every version: its status, whether
it was written, filtered or quarantined and why, object and record number in the
export, and file and line in the output; which import of
HealthLake took it, and whether HealthLake refused it; whether the resource is live,
deleted, unsettled or ambiguous, and whether its delete was applied; and what
verifications have found. --target asks the data store too, over REST, and says in
which class of a verification the resource is now.

Ids are PHI. They are taken from stdin alone, since other users of this machine can
read a command line. The answers are PHI as well: they go to stdout and nowhere else.

It needs a finished move, reads sink and state, changes neither, and works beside a
running process, as of its last commit. Without a checkpoint it cannot tell of imports,
and says so. Any number of ids costs one pass over the ledger for each 32,768.

The export is not needed any more, and is not looked at.

Exit codes: 0 every question is answered, if only with "the ledger does not know it",
2 settings, an argument, a line that is no id, 5 try again later, 7 the output is not
as the move has left it, 11 it is another run's, 12 not authorised.`,
		Example: `  fhirhose find < ids.txt
  grep -o 'Patient/[^"]*' complaints.txt | fhirhose find -c clinic-a.yaml --json
  fhirhose find --target < ids.txt
  fhirhose find --tenant clinic-7 < ids.txt      # of a job of all tenants`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // which are not repeated: they may be ids
				return usageError(errors.New("find takes no argument: ids are PHI, and others can read a command line"), "fhirhose find < ids.txt")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.find(cmd.Context(), job, tenant, target)
		},
	}
	cmd.SetFlagErrorFunc(func(*cobra.Command, error) error { // which would repeat an id that begins with -
		return usageError(errors.New("there is no such flag, or not with this value"), "`fhirhose find --help` lists the flags; ids go to stdin")
	})
	addSettings(cmd)
	cmd.Flags().StringVar(&tenant, "tenant", "", "in a job of all tenants: whose resources")
	cmd.Flags().BoolVar(&target, "target", false, "ask the data store too, and say what it holds")
	return cmd
}

func (c *cli) find(ctx context.Context, job *jobfile.Job, tenant string, target bool) error {
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	if err := oneTenant(job, tenant); err != nil {
		return err
	}
	f := find.Finder{Tenant: tenant, State: job.State, Memory: int(job.Limits.Memory / 2), Refused: healthlake.RefusedResource}
	claim, err := c.tellImports(job, &f)
	if err != nil {
		return err
	}
	if f.Verified, err = verification.Load(job.State, tenant); err != nil {
		return err
	}
	if target {
		closeTarget, err := openTarget(ctx, job, &f)
		if err != nil {
			return err
		}
		defer closeTarget()
	}
	w := wiring{job: job, seen: newObservation(job)}
	sinks, err := w.openSink(ctx, ctx)
	if err != nil {
		return err
	}
	defer sinks.close()
	sink, err := sinks.tenant(tenant)
	if err != nil {
		return err
	}
	if err := refuseOther(ctx, sink, claim, w.outputOf(tenant).String()); err != nil {
		return err
	}
	names, err := namesIn(ctx, sink, isSegment)
	if err != nil {
		return err
	}
	if f.Objects, err = objectNames(ctx, sinks); err != nil {
		return err
	}
	book, closeBook, err := openBook(ctx, sink, names)
	if err != nil {
		return err
	}
	defer closeBook()
	f.Ledger = book
	if f.Target != nil {
		f.Target.Explainer.Book = book
		f.Target.Explainer.Open = func(ctx context.Context, name string) (io.ReadCloser, error) {
			return openPieces(ctx, sink, name, explainPieces)
		}
	}
	return c.answer(ctx, &f)
}

// oneTenant refuses what does not name one tenant of a job, "" being that of a job
// that does not move all.
func oneTenant(job *jobfile.Job, tenant string) error {
	switch {
	case job.AllTenants() && tenant == "":
		return usageError(errors.New("the job moves all tenants, and an id may be several's"), "name one: --tenant clinic-7")
	case !job.AllTenants() && tenant != "":
		return usageError(errors.New("--tenant is for a job of all tenants"), "leave it out")
	case tenant != "" && !jobfile.IsTenant(tenant):
		return usageError(errors.New("--tenant is not the id of a tenant"), "name one: --tenant clinic-7")
	}
	return nil
}

// tellImports lets the checkpoint tell of imports, and returns the claim of its run.
// A checkpoint that nobody can read now leaves both out, and that is said.
func (c *cli) tellImports(job *jobfile.Job, f *find.Finder) (claim []byte, err error) {
	path := filepath.Join(job.State, checkpointFile)
	store, err := checkpoint.Reopen(path)
	if pipeline.KindOf(err) == pipeline.KindClaimed {
		store, err = checkpoint.OpenCopy(path)
	}
	switch kind := pipeline.KindOf(err); {
	case err == nil:
	case kind == pipeline.KindClaimed || kind == pipeline.KindConfig:
		_, err = fmt.Fprintf(c.stderr, "note: of imports nothing is told: %v\n", err)
		return nil, err
	default:
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	deletes, err := deleting.Result(store, f.Tenant)
	if err != nil {
		return nil, err
	}
	f.DeletesOver, f.ImportEnded = deletes.Over, deletes.Last
	if deletes.Kept > 0 {
		f.DeletesKept = deleting.Kept(job.State, f.Tenant, deletes.Pass)
	}
	ended, err := importing.Ended(store, f.Tenant)
	if err != nil {
		return nil, err
	}
	if ended.After(f.ImportEnded) {
		f.ImportEnded = ended
	}
	f.Imports, err = importing.Records(store, f.Tenant)
	return output.ClaimOf(store.Claim(), f.Tenant), err
}

// openTarget lets the data store answer. Large bodies pass through a folder of
// state, which the function removes that it returns.
func openTarget(ctx context.Context, job *jobfile.Job, f *find.Finder) (closeTarget func(), err error) {
	d := destination{tenant: f.Tenant}
	if d.datastore, err = job.Datastore(f.Tenant); err != nil {
		return nil, err
	}
	if err := d.open(ctx, job); err != nil {
		return nil, err
	}
	dir := filepath.Join(verification.Dir(job.State, f.Tenant), "find.work")
	if err := durable.MkdirAll(dir); err != nil {
		return nil, durable.Failure("create", dir, err)
	}
	o := verify.Options{Dir: dir, Memory: f.Memory, Imported: f.ImportEnded, Marks: healthlake.Marks()}
	f.Target = &find.Target{Reader: d.store.Answers(), Asker: verify.NewAsker(o), Explainer: &verify.Explainer{Options: o}}
	return func() { _ = os.RemoveAll(dir) }, nil
}

// refuseOther refuses an output that another run has written than claim says; nil
// is not known.
func refuseOther(ctx context.Context, sink *openedSink, claim []byte, at string) error {
	if claim == nil {
		return nil
	}
	found, err := readClaim(ctx, sink)
	switch {
	case isAbsent(err): // nor will there be a manifest
		return nil
	case err != nil:
		return err
	case bytes.Equal(found, claim):
		return nil
	}
	return &pipeline.Error{
		Op: "read", Object: at, Kind: pipeline.KindClaimed, Err: errors.New("it is not the output of the run that this state directory knows"),
		Hint: "name the state directory of that run",
	}
}

// answer answers what stdin asks. Reading cannot be cancelled: a signal leaves it
// behind.
func (c *cli) answer(ctx context.Context, f *find.Finder) error {
	if isTerminal(c.stdin) {
		_, _ = fmt.Fprintln(c.stderr, "ids, one on each line (Type/id, or an id alone); Ctrl-D ends")
	}
	type batch struct {
		questions []find.Question
		err       error
	}
	asked := make(chan batch)
	go func() {
		defer close(asked)
		for questions := find.NewQuestions(c.stdin); ; {
			next, err := questions.Next(find.AtOnce)
			select {
			case asked <- batch{next, err}:
			case <-ctx.Done():
				return
			}
			if len(next) == 0 {
				return
			}
		}
	}()
	write := find.WriteText
	if c.json {
		write = find.WriteJSON
	}
	out := bufio.NewWriter(c.stdout)
	for {
		select {
		case next := <-asked:
			if next.err != nil || len(next.questions) == 0 {
				return next.err
			}
			answers, err := f.Answer(ctx, next.questions)
			if err != nil {
				return err
			}
			if err := errors.Join(write(out, answers), out.Flush()); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
