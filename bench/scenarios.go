package main

import (
	"context"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// scenario measures `fhirhose move` alone, in a shape that strains one promise.
type scenario struct {
	name  string
	about string
	runs  func(ctx context.Context, s *settings) ([]scenarioRun, error)
}

// scenarioRun is one line of a scenario's table.
type scenarioRun struct {
	input  input
	name   string
	move   moveOptions
	rounds int
}

func scenarios() []scenario {
	return []scenario{
		{"memory", "peak RSS under limits.memory", memoryRuns},
		{"files", "28,000 files open at once: 140 types x 200 versions, two records each or more", fileRuns},
		{"uneven", "16 objects, the largest 50 times the smallest", unevenRuns},
		{"records", "peak RSS of 10^5 and 10^7 records", recordRuns},
	}
}

func scenarioNames() (names []string) {
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

func mainOptions() generate.Options {
	return generate.Options{Seed: 1, Types: 140, Versions: 3, Objects: 16, GzipLevel: 6}
}

func memoryRuns(ctx context.Context, s *settings) ([]scenarioRun, error) {
	in, err := s.generated(ctx, "main", mainOptions(), int64(s.size))
	var runs []scenarioRun
	for _, memory := range []string{"128MiB", "256MiB", "512MiB"} {
		runs = append(runs, scenarioRun{in, "memory " + memory, moveOptions{memory: memory}, 3})
	}
	return runs, err
}

func fileRuns(ctx context.Context, s *settings) ([]scenarioRun, error) {
	o := mainOptions()
	o.Even, o.AllVersions, o.Versions, o.Resources = true, true, 200, 4*140
	in, err := s.generated(ctx, "files", o, 0)
	return []scenarioRun{{in, "28,000 files, memory 256MiB", moveOptions{memory: "256MiB"}, 3}}, err
}

func unevenRuns(ctx context.Context, s *settings) ([]scenarioRun, error) {
	o := mainOptions()
	even, err := s.generated(ctx, "main", o, int64(s.size))
	if err != nil {
		return nil, err
	}
	o.Skew = 50
	uneven, err := s.generated(ctx, "uneven", o, int64(s.size))
	return []scenarioRun{{even, "even", moveOptions{}, 3}, {uneven, "1:50", moveOptions{}, 3}}, err
}

func recordRuns(ctx context.Context, s *settings) ([]scenarioRun, error) {
	var runs []scenarioRun
	for _, r := range []struct {
		name    string
		records int
		rounds  int
	}{{"10^5 records", 100_000, 3}, {"10^7 records", 10_000_000, 1}} {
		o := mainOptions()
		o.Versions, o.Resources, o.GzipLevel = 1, r.records, 1
		in, err := s.generated(ctx, "records-"+r.name[len("10^"):][:1], o, 0)
		if err != nil {
			return nil, err
		}
		runs = append(runs, scenarioRun{in, r.name + ", memory 256MiB", moveOptions{memory: "256MiB"}, r.rounds})
	}
	return runs, nil
}
