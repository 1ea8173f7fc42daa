package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measureAll does what the settings ask for and writes the report.
func (s *settings) measureAll(ctx context.Context) (err error) {
	if err := adoptOrphans(); err != nil {
		return err
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	s.install(ctx)
	if s.work, err = os.MkdirTemp(s.data, "work-"); err != nil {
		return err
	}
	defer s.removeWork()
	r := report{machine: thisMachine(), settings: s}
	for _, part := range []func(context.Context, *report) error{s.floors, s.peersContest, s.runScenarios} {
		if err := part(ctx, &r); err != nil {
			return err
		}
	}
	s.say("measured")
	return s.publish(r.markdown(), r.machine)
}

// removeWork removes what this measurement wrote, and what killed ones left.
func (s *settings) removeWork() {
	s.say("removing the outputs")
	folders, _ := filepath.Glob(filepath.Join(s.data, "work-*"))
	for _, folder := range folders {
		if err := os.RemoveAll(folder); err != nil {
			s.say("%v", err)
		}
	}
}

func (s *settings) publish(text string, m machine) error {
	fmt.Print(text)
	path := s.results
	switch path {
	case "-":
		return nil
	case "":
		path = filepath.Join("bench", "results", m.fileName())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func (s *settings) mainInput(ctx context.Context) (input, error) {
	return s.generated(ctx, "main", mainOptions(), int64(s.size))
}

// floors compares move with merely inflating the same files.
func (s *settings) floors(ctx context.Context, r *report) error {
	in, err := s.mainInput(ctx)
	if err != nil {
		return err
	}
	inputs := []input{in}
	if s.testdata != "" {
		synthea, err := s.synthea()
		if err != nil {
			return err
		}
		inputs = append(inputs, synthea)
	}
	for _, in := range inputs {
		c := s.floorContest(in)
		if err := c.run(ctx); err != nil {
			return err
		}
		r.floors = append(r.floors, c)
	}
	return nil
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

func (s *settings) floorContest(in input) *contest {
	fixed := func(argv ...string) func(string) ([][]string, error) {
		return func(string) ([][]string, error) { return [][]string{append(argv, in.Files...)}, nil }
	}
	return &contest{settings: s, input: in, rounds: s.rounds, entries: []*contender{
		{name: "zcat to nowhere", commands: fixed("sh", "-c", `exec zcat "$@" >/dev/null`, "zcat")},
		{name: "klauspost gunzip alone", commands: fixed(self(), "gunzip")},
		s.move("fhirhose move", in, moveOptions{}),
	}}
}

// late tells whether the budget is used up.
func (s *settings) late() bool { return time.Since(s.start) > s.budget }

// peersContest compares move with the peers on the sample.
func (s *settings) peersContest(ctx context.Context, r *report) error {
	if s.only == "none" {
		return nil
	}
	if s.late() {
		r.skipped = append(r.skipped, "peers")
		return nil
	}
	o := mainOptions()
	o.Seed, o.Objects = 2, 2*s.cores
	in, err := s.generated(ctx, "sample", o, int64(s.sample))
	if err != nil {
		return err
	}
	c := &contest{settings: s, input: in, rounds: s.peerRuns, compare: true, entries: []*contender{s.move("fhirhose move", in, moveOptions{})}}
	for _, p := range s.allPeers(ctx) {
		c.entries = append(c.entries, &contender{
			name: p.name, version: p.found, complete: p.complete, failure: p.missing,
			commands: func(out string) ([][]string, error) { return p.commands(out, in.Files, s.cores) },
		})
	}
	r.peers = c
	return c.run(ctx)
}

// runScenarios measures the shapes that are asked for. One that fails is
// reported as failed, and the others go on.
func (s *settings) runScenarios(ctx context.Context, r *report) error {
	for _, sc := range scenarios() {
		if !wanted(s.scenarios, sc.name) {
			continue
		}
		if s.late() {
			r.skipped = append(r.skipped, sc.name)
			continue
		}
		done := scenarioResult{scenario: sc}
		var err error
		if sc.measure != nil {
			done.text, err = sc.measure(ctx, s)
		} else {
			done.contests, err = s.runContests(ctx, sc)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			done.text += "\nFAILED: " + cell(err.Error()) + "\n"
			s.say("%s failed: %v", sc.name, err)
		}
		r.scenarios = append(r.scenarios, done)
	}
	return nil
}

func (s *settings) runContests(ctx context.Context, sc scenario) ([]*contest, error) {
	runs, err := sc.runs(ctx, s)
	if err != nil {
		return nil, err
	}
	contests := s.scenarioContests(runs)
	for _, c := range contests {
		c.name = sc.name + " " + c.input.Name
		if err := c.run(ctx); err != nil {
			return contests, err
		}
	}
	return contests, nil
}

// scenarioContests lets runs over the same input take turns.
func (s *settings) scenarioContests(runs []scenarioRun) (contests []*contest) {
	for _, run := range runs {
		last := len(contests) - 1
		if last < 0 || contests[last].input.Dir != run.input.Dir {
			contests = append(contests, &contest{settings: s, input: run.input, rounds: run.rounds})
			last++
		}
		e := s.move(run.name, run.input, run.move)
		e.limit = run.move.memory
		contests[last].entries = append(contests[last].entries, e)
	}
	return contests
}
