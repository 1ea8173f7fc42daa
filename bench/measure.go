package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// measureAll does what the settings ask for and writes the report.
func (s *settings) measureAll(ctx context.Context) error {
	if err := adoptOrphans(); err != nil {
		return err
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	work := filepath.Join(s.data, "work")
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	r := report{machine: thisMachine(), rounds: s.rounds, cores: s.cores}
	for _, part := range []func(context.Context, *report) error{s.floors, s.peersContest, s.runScenarios} {
		if err := part(ctx, &r); err != nil {
			return err
		}
	}
	return s.publish(r.markdown(), r.machine)
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

// floors compares move with merely inflating the same files.
func (s *settings) floors(ctx context.Context, r *report) error {
	in, err := s.generated(ctx, "main", mainOptions(), int64(s.size))
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

func (s *settings) floorContest(in input) *contest {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	fixed := func(argv ...string) func(string) ([][]string, error) {
		return func(string) ([][]string, error) { return [][]string{append(argv, in.Files...)}, nil }
	}
	return &contest{settings: s, input: in, rounds: s.rounds, entries: []*contender{
		{name: "zcat to nowhere", commands: func(string) ([][]string, error) {
			return [][]string{append([]string{"sh", "-c", `exec zcat "$@" >/dev/null`, "zcat"}, in.Files...)}, nil
		}},
		{name: "klauspost gunzip alone", commands: fixed(self, "gunzip")},
		s.move("fhirhose move", in, moveOptions{}),
	}}
}

// peersContest compares move with the peers on the sample.
func (s *settings) peersContest(ctx context.Context, r *report) error {
	if s.only == "none" {
		return nil
	}
	o := mainOptions()
	o.Seed, o.Objects = 2, 2*s.cores
	in, err := s.generated(ctx, "sample", o, int64(s.sample))
	if err != nil {
		return err
	}
	c := &contest{settings: s, input: in, rounds: s.rounds, compare: true, entries: []*contender{s.move("fhirhose move", in, moveOptions{})}}
	for _, p := range s.allPeers(ctx) {
		c.entries = append(c.entries, &contender{
			name: p.name, version: p.found, complete: p.complete, failure: p.missing,
			commands: func(out string) ([][]string, error) { return p.commands(out, in.Files, s.cores) },
		})
	}
	r.peers = c
	return c.run(ctx)
}

// runScenarios measures move alone in the shapes that are asked for.
func (s *settings) runScenarios(ctx context.Context, r *report) error {
	for _, sc := range scenarios() {
		if !wanted(s.scenarios, sc.name) {
			continue
		}
		runs, err := sc.runs(ctx, s)
		if err != nil {
			return err
		}
		done := scenarioResult{scenario: sc, contests: s.scenarioContests(runs)}
		for _, c := range done.contests {
			if err := c.run(ctx); err != nil {
				return err
			}
		}
		r.scenarios = append(r.scenarios, done)
	}
	return nil
}

// scenarioContests lets runs over the same input take turns.
func (s *settings) scenarioContests(runs []scenarioRun) (contests []*contest) {
	for _, run := range runs {
		last := len(contests) - 1
		if last < 0 || contests[last].input.Dir != run.input.Dir {
			contests = append(contests, &contest{settings: s, input: run.input, rounds: run.rounds})
			last++
		}
		contests[last].entries = append(contests[last].entries, s.move(run.name, run.input, run.move))
	}
	return contests
}
