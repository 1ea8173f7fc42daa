package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// scenario measures fhirhose in a shape that strains one promise.
type scenario struct {
	name  string
	about string
	// runs of `fhirhose move` alone; or
	runs   func(ctx context.Context, s *settings) ([]scenarioRun, error)
	growth bool // compare the memory of the last run with that of the first
	// a measurement of its own, which returns Markdown.
	measure func(ctx context.Context, s *settings) (string, error)
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
		{name: "memory", about: "peak RSS under limits.memory", runs: memoryRuns},
		{name: "files", about: "28,000 files open at once: 140 types x 200 versions, twelve records each, 1,024 descriptors", runs: fileRuns},
		{name: "records", about: "peak RSS of 10^5 and 10^6 records", runs: recordRuns, growth: true},
		{name: "uneven", about: "lane tail: 16 lanes, the largest object 50 times the smallest", measure: measureTail},
		{name: "kill", about: "work that is done twice after kill -9", measure: measureKills},
		{name: "cuts", about: "what cuts cost: as usual against the last cut alone", measure: measureCuts},
		{name: "s3", about: "from S3 to S3 on one machine", measure: measureS3},
		{name: "binaries", about: "contents of Binaries, from S3 to S3, against the published way to convert them", measure: measureBinaries},
		{name: "content", about: "one large content of a Binary", measure: measureContent},
		{name: "stages", about: "benchmarks of the stages", measure: measureStages},
		{name: "nightly", about: "peak RSS of 10^5 and 10^7 records", runs: nightlyRuns, growth: true},
		{name: "nightly", about: "one content of 3.7 GB", measure: measureNightlyContent},
	}
}

func scenarioNames() (names []string) {
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return slices.Compact(names)
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

// descriptors runs a command with the descriptors that most systems allow.
var descriptors = []string{"sh", "-c", `ulimit -n 1024; exec "$@"`, "sh"}

func fileInput(ctx context.Context, s *settings) (input, error) {
	o := mainOptions()
	o.Even, o.AllVersions, o.Versions, o.Resources, o.GzipLevel = true, true, 200, 12*140, 1
	return s.generated(ctx, "files", o, 0)
}

func fileRuns(ctx context.Context, s *settings) ([]scenarioRun, error) {
	in, err := fileInput(ctx, s)
	return []scenarioRun{{in, "28,000 files, memory 256MiB", moveOptions{memory: "256MiB", before: descriptors}, 3}}, err
}

func recordRuns(ctx context.Context, s *settings) ([]scenarioRun, error) {
	return runsOfRecords(ctx, s, 5, 6)
}

func nightlyRuns(ctx context.Context, s *settings) ([]scenarioRun, error) {
	return runsOfRecords(ctx, s, 5, 7)
}

// runsOfRecords moves 10^n records of one version. 10^7 need about 3 GB for the
// input and 10 GB for the output.
func runsOfRecords(ctx context.Context, s *settings, powers ...int) (runs []scenarioRun, err error) {
	for _, power := range powers {
		o := mainOptions()
		o.Versions, o.Resources, o.GzipLevel = 1, 1, 1
		for range power {
			o.Resources *= 10
		}
		in, err := s.generated(ctx, fmt.Sprintf("records-%d", power), o, 0)
		if err != nil {
			return nil, err
		}
		rounds := 3
		if power > 6 {
			rounds = 1
		}
		runs = append(runs, scenarioRun{in, fmt.Sprintf("10^%d records, memory 256MiB", power), moveOptions{memory: "256MiB"}, rounds})
	}
	return runs, nil
}
