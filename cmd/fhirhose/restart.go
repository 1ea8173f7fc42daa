package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/removal"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
)

// restart shows what goes, asks, and removes it. Source, contents of Binaries and
// sink are opened first: whoever cannot begin again keeps what he has.
func (c *cli) restart(running context.Context, job *jobfile.Job, seen *observation, yes bool) error {
	ctx, cancel := c.stopping.atOnce(running)
	defer cancel()
	if err := refuseImported(job); err != nil {
		return err
	}
	w := wiring{job: job, seen: seen}
	source, err := w.openSource(ctx)
	if err != nil {
		return err
	}
	sink, err := w.openSink(ctx, ctx)
	if err != nil {
		return err
	}
	defer sink.close()
	if err := w.lookAtContents(ctx); err != nil {
		return err
	}
	plan, err := planRemoval(ctx, job, source, sink)
	if err != nil {
		return err
	}
	if plan.Empty() {
		_, err := fmt.Fprintln(c.stderr, "--restart: there is nothing to remove")
		return err
	}
	for _, line := range plan.Lines() {
		if _, err := fmt.Fprintln(c.stderr, line); err != nil {
			return err
		}
	}
	if !yes {
		if err := c.confirm(ctx, "restart", "Remove all this and begin again?", "nothing was removed"); err != nil {
			return err
		}
	}
	c.note("restart removes", plan.Size())
	return plan.Remove(ctx)
}

// refuseImported keeps what a target was sent: with the checkpoint, nobody would
// know any more which of its resources came from where, and in which version (I11).
func refuseImported(job *jobfile.Job) error {
	begun, err := checkpoint.ImportBegun(filepath.Join(job.State, checkpointFile))
	if err != nil && pipeline.KindOf(err) != pipeline.KindCheckpoint {
		return err
	}
	if !begun {
		return nil
	}
	return &pipeline.Error{
		Op: "restart", Object: job.Name, Kind: pipeline.KindConfig,
		Err:  errors.New("its folders were sent to a target, and nothing was removed"),
		Hint: "begin again as a job of another name and state, with an empty data store",
	}
}

// confirm asks on a terminal; elsewhere --yes must have said so.
// undone says in words what a no means.
func (c *cli) confirm(ctx context.Context, op, question, undone string) error {
	if _, err := fmt.Fprint(c.stderr, question+" [y/N] "); err != nil {
		return err
	}
	answers := make(chan string, 1)
	go func() { // reading cannot be cancelled: a signal leaves this behind
		answer, _ := bufio.NewReader(c.stdin).ReadString('\n')
		answers <- answer
	}()
	var answer string
	select {
	case answer = <-answers:
	case <-ctx.Done():
		return ctx.Err()
	}
	refused := undone
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	case "":
		refused = "nobody answered, " + undone
	}
	return &pipeline.Error{
		Op: op, Kind: pipeline.KindConfig, Err: errors.New(refused),
		Hint: "answer y, or give --yes",
	}
}

// planRemoval finds what this run has written.
func planRemoval(ctx context.Context, job *jobfile.Job, source jobSource, sink *openedSinks) (*removal.Plan, error) {
	claim, err := readClaim(ctx, &sink.openedSink)
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	tenants, err := writtenTenants(ctx, job, sink)
	if err != nil {
		return nil, err
	}
	return removal.Find(ctx, removal.Options{
		Sink: sink.Sink, Output: job.Output().String(), Claim: claim,
		All: job.AllTenants(), Tenants: tenants,
		State: job.State, Checkpoint: checkpointFile,
		Differs: func() error { return openCheckpoint(job, source) },
		Remains: remains(ctx, sink.bucket),
	})
}

// writtenTenants are the tenants that this run may have written for. Where the
// checkpoint cannot be read nobody knows them, and their folders stay.
func writtenTenants(ctx context.Context, job *jobfile.Job, sink *openedSinks) ([]removal.Tenant, error) {
	names, err := checkpoint.TenantsOf(filepath.Join(job.State, checkpointFile))
	if err != nil && pipeline.KindOf(err) != pipeline.KindCheckpoint {
		return nil, err
	}
	tenants := make([]removal.Tenant, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(claimReaders)
	for i, name := range names {
		group.Go(func() error {
			of, err := sink.tenant(name)
			if err != nil {
				return err
			}
			claim, err := readClaim(ctx, of)
			if err != nil && !isAbsent(err) {
				return err
			}
			tenants[i] = removal.Tenant{Name: name, Sink: of.Sink, Claim: claim}
			return nil
		})
	}
	return tenants, group.Wait()
}

// claimReaders is how many claims are read at the same time.
const claimReaders = 16

// remains says what a bucket keeps of removed objects.
func remains(ctx context.Context, bucket *objectstore.Store) []string {
	if bucket == nil {
		return nil
	}
	var lines []string
	switch versions, err := bucket.Versions(ctx); {
	case err != nil:
		lines = append(lines, fmt.Sprintf("whether the bucket keeps old versions cannot be seen (%v); if so, they remain", err))
	case versions:
		lines = append(lines, "the bucket keeps old versions: what is removed remains in it, hidden, until a lifecycle rule or a person removes it")
	}
	switch locked, err := bucket.Locked(ctx); {
	case err != nil:
		lines = append(lines, fmt.Sprintf("whether the bucket locks objects cannot be seen (%v); if so, their versions remain", err))
	case locked:
		lines = append(lines, "the bucket locks objects: their versions cannot be removed before their retention ends")
	}
	return lines
}
