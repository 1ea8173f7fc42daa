package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// stagesLimit bounds all benchmarks of the stages together.
const stagesLimit = 4 * time.Minute

// stagePackages are the packages that may hold benchmarks of a stage.
var stagePackages = []string{
	"./pipeline/split", "./pipeline/convert", "./pipeline/digest/...", "./pipeline/shard", "./pipeline/ledger", "./pipeline/records",
	"./objectstore", "./sinks/bucket", "./sinks/folder",
}

// measureStages runs the stages' own benchmarks.
func measureStages(ctx context.Context, s *settings) (string, error) {
	limited, cancel := context.WithTimeout(ctx, stagesLimit)
	defer cancel()
	s.say("benchmarks of the stages")
	args := append([]string{"test", "-run", "^$", "-bench", ".", "-benchtime", "1s", "-benchmem", "-p", "1"}, stagePackages...)
	output, failed := exec.CommandContext(limited, "go", args...).Output()
	rows, without := benchmarkRows(string(output))
	if len(rows) == 0 {
		return "", errors.Join(errors.New("go test -bench printed no benchmark"), failed)
	}
	var b strings.Builder
	b.WriteString("\n| benchmark | ns/op | MB/s | B/op | allocs/op |\n|---|--:|--:|--:|--:|\n" + strings.Join(rows, ""))
	fmt.Fprintf(&b, "\nBar: convert and digest at 0 allocs/op. Packages without a benchmark: %s.\n", strings.Join(without, ", "))
	return b.String(), failed
}

// benchmarkRows reads the output of go test -bench.
func benchmarkRows(output string) (rows, without []string) {
	name, found := "", 0
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "pkg: "):
			_, name, _ = strings.Cut(fields[1], "/fhirhose/fhirhose/")
			found = 0
		case strings.HasPrefix(line, "Benchmark") && len(fields) > 3:
			rows = append(rows, benchmarkRow(name, fields))
			found++
		case len(fields) > 1 && (fields[0] == "ok" || fields[0] == "PASS" || fields[0] == "?"):
			if _, p, ok := strings.Cut(line, "/fhirhose/fhirhose/"); ok && (p != "" && (found == 0 || strings.Fields(p)[0] != name)) {
				without = append(without, strings.Fields(p)[0])
			}
		}
	}
	return rows, without
}

func benchmarkRow(name string, fields []string) string {
	by := map[string]string{}
	for i := 2; i+1 < len(fields); i += 2 {
		by[fields[i+1]] = fields[i]
	}
	return fmt.Sprintf("| %s %s | %s | %s | %s | %s |\n", name, strings.TrimPrefix(fields[0], "Benchmark"), by["ns/op"], by["MB/s"], by["B/op"], by["allocs/op"])
}
