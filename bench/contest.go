package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// contender is one line of a table.
type contender struct {
	name     string
	version  string
	commands func(out string) ([][]string, error)
	fhirhose bool
	complete bool

	runs    []usage
	failure string
	equal   string
	status  runStatus // of fhirhose's last run
}

// contest lets contenders run in turn over one input.
type contest struct {
	settings *settings
	input    input
	rounds   int
	entries  []*contender
	compare  bool // compare outputs with fhirhose's
}

// run fills in the contenders' runs: one unmeasured warm-up read of the input,
// then rounds, each beginning with another contender.
func (c *contest) run(ctx context.Context) error {
	if err := gunzip(c.input.Files); err != nil {
		return err
	}
	for round := range c.rounds {
		for i := range c.entries {
			e := c.entries[(i+round)%len(c.entries)]
			if e.failure != "" {
				continue
			}
			if err := c.one(ctx, e, c.compare && round == 0); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", c.input.Name, round+1, c.rounds)
	}
	if c.compare {
		return c.judge()
	}
	return nil
}

// one runs a contender in a fresh folder; keep leaves its output for judge.
func (c *contest) one(ctx context.Context, e *contender, keep bool) error {
	out := c.outputOf(e)
	if !keep {
		out += "-scratch"
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	commands, err := e.commands(out)
	if err != nil {
		return err
	}
	u, err := measure(ctx, commands, out+".log")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		e.failure = err.Error() // the others go on, and the table says so
		return nil              //nolint:nilerr // see above
	}
	e.runs = append(e.runs, u)
	if e.fhirhose {
		e.status = readRunStatus(out)
	}
	if !keep {
		return os.RemoveAll(out)
	}
	return nil
}

func (c *contest) outputOf(e *contender) string {
	return filepath.Join(c.settings.data, "work", c.input.Name+"-"+notInAName.ReplaceAllString(e.name, "-"))
}

// judge compares the kept outputs with fhirhose's and removes them.
func (c *contest) judge() error {
	var want []record
	for _, e := range c.entries {
		if e.fhirhose && e.failure == "" {
			var err error
			if want, err = readRecords(c.outputOf(e)); err != nil {
				return err
			}
			e.equal = fmt.Sprintf("%d resources", len(want))
			break
		}
	}
	for _, e := range c.entries {
		switch {
		case e.failure != "" || e.fhirhose:
		case !e.complete:
			e.equal = "not complete"
		case want == nil:
			e.equal = "not compared"
		default:
			e.equal = sameOutput(want, c.outputOf(e))
		}
		if err := os.RemoveAll(c.outputOf(e)); err != nil {
			return err
		}
	}
	return nil
}

// median of the runs by each measure alone.
func (e *contender) median() usage {
	var cpu, wall, rss []int64
	for _, r := range e.runs {
		cpu, wall, rss = append(cpu, int64(r.CPU)), append(wall, int64(r.Wall)), append(rss, r.RSS)
	}
	return usage{CPU: time.Duration(middle(cpu)), Wall: time.Duration(middle(wall)), RSS: middle(rss)}
}

// spread is the distance of the fastest from the slowest wall time, in percent
// of the median.
func (e *contender) spread() float64 {
	var wall []int64
	for _, r := range e.runs {
		wall = append(wall, int64(r.Wall))
	}
	return 100 * float64(slices.Max(wall)-slices.Min(wall)) / float64(middle(wall))
}

func middle(values []int64) int64 {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}
