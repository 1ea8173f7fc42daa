package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// contender is one line of a table.
type contender struct {
	name     string
	version  string
	commands func(out string) ([][]string, error)
	fhirhose bool
	complete bool
	limit    string // limits.memory that its peak RSS must keep; "" if it does not matter

	runs    []usage // by round
	failure string
	equal   string
	status  runStatus // of fhirhose's last run
	out     string    // folder of the last run
}

// contest lets contenders run in turn over one input.
type contest struct {
	settings *settings
	name     string
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
			if err := c.one(ctx, e, round); err != nil {
				return err
			}
		}
	}
	if c.compare {
		return c.judge()
	}
	return nil
}

// one runs a contender in a fresh folder, which stays until all is measured:
// ext4 avoids the inodes of files that were just removed, and its search for
// others would be charged to the next run.
func (c *contest) one(ctx context.Context, e *contender, round int) error {
	e.out = c.outputOf(e, round)
	if err := os.MkdirAll(e.out, 0o755); err != nil {
		return err
	}
	commands, err := e.commands(e.out)
	if err != nil {
		return err
	}
	unix.Sync() // nobody pays for what the one before left to be written
	limited, cancel := context.WithTimeout(ctx, c.settings.runLimit)
	defer cancel()
	u, err := measure(limited, commands, e.out+".log")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && e.fhirhose {
		e.status, err = readRunStatus(e.out)
	}
	if err != nil {
		e.failure = err.Error() // the others go on, and the table says so
		c.settings.say("%s: %s failed: %s", c.title(), e.name, cell(e.failure))
		return nil
	}
	e.runs = append(e.runs, u)
	c.settings.say("%s: %s, round %d of %d: %.2f s, CPU %.2f s", c.title(), e.name, round+1, c.rounds, u.Wall.Seconds(), u.CPU.Seconds())
	return nil
}

func (c *contest) title() string {
	if c.name != "" {
		return c.name
	}
	return c.input.Name
}

func (c *contest) outputOf(e *contender, round int) string {
	name := fmt.Sprintf("%s-%s-%d", c.title(), e.name, round)
	return filepath.Join(c.settings.work, notInAName.ReplaceAllString(name, "-"))
}

// judge compares the outputs of the first round with fhirhose's.
func (c *contest) judge() error {
	var want []record
	for _, e := range c.entries {
		if e.fhirhose && e.failure == "" {
			var err error
			if want, err = readRecords(c.outputOf(e, 0)); err != nil {
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
			e.equal = sameOutput(want, c.outputOf(e, 0))
		}
	}
	return nil
}

func (e *contender) failed() bool { return e.failure != "" || len(e.runs) == 0 }

func cpuOf(u usage) float64  { return u.CPU.Seconds() }
func wallOf(u usage) float64 { return u.Wall.Seconds() }
func rssOf(u usage) float64  { return float64(u.RSS >> 20) }

// of is a measure over a contender's runs.
func (e *contender) of(measure func(usage) float64) spread {
	var values []float64
	for _, u := range e.runs {
		values = append(values, measure(u))
	}
	return spreadOf(values)
}

// against is a measure's ratio to another contender's, each run against the
// other's of the same round, so that the machine's mood cancels out.
func (e *contender) against(other *contender, measure func(usage) float64) spread {
	var ratios []float64
	for i := range min(len(e.runs), len(other.runs)) {
		ratios = append(ratios, measure(e.runs[i])/measure(other.runs[i]))
	}
	return spreadOf(ratios)
}

// median of the runs by each measure alone.
func (e *contender) median() usage {
	return usage{
		CPU:  time.Duration(e.of(func(u usage) float64 { return float64(u.CPU) }).median),
		Wall: time.Duration(e.of(func(u usage) float64 { return float64(u.Wall) }).median),
		RSS:  int64(e.of(func(u usage) float64 { return float64(u.RSS) }).median),
	}
}

// spread is where a number lies over several runs.
type spread struct{ min, median, max float64 }

func spreadOf(values []float64) spread {
	n := len(values)
	if n == 0 {
		return spread{}
	}
	values = slices.Sorted(slices.Values(values))
	return spread{values[0], (values[(n-1)/2] + values[n/2]) / 2, values[n-1]}
}

// String is "median (min to max)".
func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f to %.2f)", s.median, s.min, s.max) }
