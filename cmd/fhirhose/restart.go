package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
)

// removal is what --restart is about to remove.
type removal struct {
	shows  []string // one line each
	remove func(context.Context) error
}

// restart shows what goes, asks, and removes it.
func (c *cli) restart(ctx context.Context, job *jobfile.Job, yes bool) error {
	r, err := planRemoval(ctx, job)
	if err != nil {
		return err
	}
	for _, line := range r.shows {
		if _, err := fmt.Fprintln(c.stderr, line); err != nil {
			return err
		}
	}
	if !yes {
		if err := c.confirm(); err != nil {
			return err
		}
	}
	return r.remove(ctx)
}

// confirm asks on a terminal; elsewhere --yes must have said so.
func (c *cli) confirm() error {
	if _, err := fmt.Fprint(c.stderr, "Remove all this and begin again? [y/N] "); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c.stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return nil
	}
	refused := "nothing was removed"
	if err != nil && answer == "" {
		refused = "nobody answered, nothing was removed"
	}
	return &pipeline.Error{
		Op: "restart", Kind: pipeline.KindConfig, Err: errors.New(refused),
		Hint: "answer y, or give --yes",
	}
}

// planRemoval finds what this run has written.
func planRemoval(_ context.Context, job *jobfile.Job) (*removal, error) {
	return nil, &pipeline.Error{
		Op: "restart", Object: job.Name, Kind: pipeline.KindConfig,
		Err: errors.New("is not wired yet"), Hint: "",
	}
}
