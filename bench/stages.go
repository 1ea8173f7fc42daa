package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// stagesLimit bounds all benchmarks of the stages together.
const stagesLimit = 4 * time.Minute

// stagePackages are the packages that may hold benchmarks of a stage.
var stagePackages = []string{
	"./pipeline/split", "./pipeline/convert", "./pipeline/digest/...", "./pipeline/shard", "./pipeline/ledger", "./pipeline/records",
	"./pipeline/stub", "./pipeline/binaries", "./sources/binarybucket/listing", "./objectstore", "./sinks/bucket", "./sinks/folder",
}

// measureStages runs the stages' own benchmarks.
func measureStages(ctx context.Context, s *settings) (string, error) {
	limited, cancel := context.WithTimeout(ctx, stagesLimit)
	defer cancel()
	s.say("benchmarks of the stages")
	args := append([]string{"test", "-run", "^$", "-bench", ".", "-benchtime", "1s", "-benchmem", "-p", "1"}, stagePackages...)
	output, failed := exec.CommandContext(limited, "go", args...).Output()
	found, without := readBenchmarks(string(output))
	if len(found) == 0 {
		return "", errors.Join(errors.New("go test -bench printed no benchmark"), failed)
	}
	var b strings.Builder
	b.WriteString("\n| benchmark | ns/op | MB/s | B/op | allocs/op |\n|---|--:|--:|--:|--:|\n")
	for _, one := range found {
		b.WriteString(one.row())
	}
	fmt.Fprintf(&b, "\nBar: convert and digest at 0 allocs/op. Packages without a benchmark: %s.\n", strings.Join(without, ", "))
	if alone := speedOf(found, "Standard"); alone > 0 {
		encode, fetch := speedOf(found, "Encode")/alone, speedOf(found, "Fetch")/alone
		fmt.Fprintf(&b, "\nAgainst encoding/base64 alone into memory, bar %.2f: our encoder %.2f: %s; the whole way of a content of 200 kB to its line, with its SHA-256, %.2f: %s.\n",
			base64Bar, encode, met(encode >= base64Bar), fetch, met(fetch >= base64Bar))
	}
	return b.String(), failed
}

// benchmark is a line of go test -bench: its values by their units.
type benchmark struct {
	name string // package and benchmark
	by   map[string]string
}

// readBenchmarks reads the output of go test -bench, and names the packages in
// it that hold none.
func readBenchmarks(output string) (all []benchmark, without []string) {
	name, found := "", 0
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "pkg: "):
			_, name, _ = strings.Cut(fields[1], "/fhirhose/fhirhose/")
			found = 0
		case strings.HasPrefix(line, "Benchmark") && len(fields) > 3:
			one := benchmark{name + " " + strings.TrimPrefix(fields[0], "Benchmark"), map[string]string{}}
			for i := 2; i+1 < len(fields); i += 2 {
				one.by[fields[i+1]] = fields[i]
			}
			all = append(all, one)
			found++
		case len(fields) > 1 && (fields[0] == "ok" || fields[0] == "PASS" || fields[0] == "?"):
			if _, p, ok := strings.Cut(line, "/fhirhose/fhirhose/"); ok && (p != "" && (found == 0 || strings.Fields(p)[0] != name)) {
				without = append(without, strings.Fields(p)[0])
			}
		}
	}
	return all, without
}

func (b benchmark) row() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", b.name, b.by["ns/op"], b.by["MB/s"], b.by["B/op"], b.by["allocs/op"])
}

// base64Bar is what the way of a content to its line may lose against
// encoding/base64 into memory.
const base64Bar = 0.70

// speedOf is the MB/s of a benchmark of pipeline/binaries; 0 if it did not run.
func speedOf(all []benchmark, name string) float64 {
	for _, one := range all {
		if bare, _, _ := strings.Cut(one.name, "-"); bare == "pipeline/binaries "+name {
			speed, _ := strconv.ParseFloat(one.by["MB/s"], 64)
			return speed
		}
	}
	return 0
}
