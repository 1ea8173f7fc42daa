package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build compiles the binary to measure unless one is given.
func (s *settings) build(ctx context.Context) error {
	if s.fhirhose != "" {
		_, err := os.Stat(s.fhirhose)
		return err
	}
	s.fhirhose = filepath.Join(s.data, "bin", "fhirhose")
	output, err := exec.CommandContext(ctx, "go", "build", "-o", s.fhirhose, "./cmd/fhirhose").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build ./cmd/fhirhose: %w\n%s", err, output)
	}
	return nil
}

// moveOptions are the settings of a `fhirhose move` that are measured.
type moveOptions struct {
	memory  string // limits.memory
	workers int
	from    string // source location; "" is the input's folder
	to      string // sink location; "" is a folder of the run
	listen  string // http.listen
	// source.binaries; "" moves Binary rows as they are, without data
	binaries string
	before   []string // words before the command: "env", "A=B"
}

const jobFile = `job: bench
state: %s
source:
  dynamodb_export:
    location: %s
  binaries: %s
  s3:
    path_style: true
sink:
  location: %s
  s3:
    path_style: true
layout:
  max_binary_file_size: 5GB
limits:
  memory: %s
  workers: %d
http:
  listen: %q
`

// move is the contender `fhirhose move`.
func (s *settings) move(name string, in input, o moveOptions) *contender {
	return &contender{name: name, fhirhose: true, complete: true, commands: func(out string) ([][]string, error) {
		argv, err := s.moveCommand(out, in, o)
		return [][]string{argv}, err
	}}
}

// moveCommand writes the job file of a run whose state is out/state and whose
// sink, unless the options say otherwise, is out/sink.
func (s *settings) moveCommand(out string, in input, o moveOptions) ([]string, error) {
	memory, from, to := o.memory, o.from, o.to
	if memory == "" {
		memory = "512MiB"
	}
	if from == "" {
		from = in.Dir
	}
	if to == "" {
		to = filepath.Join(out, "sink")
	}
	binaries := o.binaries
	if binaries == "" {
		binaries = "none"
	}
	job := filepath.Join(out, "job.yaml")
	content := fmt.Sprintf(jobFile, filepath.Join(out, "state"), from, binaries, to, memory, o.workers, o.listen)
	if err := os.WriteFile(job, []byte(content), 0o600); err != nil {
		return nil, err
	}
	return append(append([]string(nil), o.before...), s.fhirhose, "move", "-c", job), nil
}

// runStatus is what the bench reads of state/status.json.
type runStatus struct {
	Elapsed    float64 `json:"elapsed_seconds"`
	Files      int64   `json:"files"`
	Cuts       int64   `json:"cuts"`
	CutSeconds float64 `json:"cut_seconds"`
	Skipped    int64   `json:"input_bytes_skipped"`
	Reinflated int64   `json:"reinflated_bytes"`
	Inflated   int64   `json:"inflated_bytes"`
	Input      int64   `json:"input_bytes"`
	Stages     []struct {
		Name string  `json:"name"`
		Busy float64 `json:"busy_seconds"`
	} `json:"stages"`
}

// readRunStatus reads what a run left behind.
func readRunStatus(out string) (r runStatus, err error) {
	content, err := os.ReadFile(filepath.Join(out, "state", "status.json"))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(content, &r)
}

func (r runStatus) busy() string {
	var parts []string
	for _, stage := range r.Stages {
		parts = append(parts, fmt.Sprintf("%s %.2f s", stage.Name, stage.Busy))
	}
	return strings.Join(parts, ", ")
}

// busyOf is the time that one stage worked, summed over its goroutines.
func (r runStatus) busyOf(name string) float64 {
	for _, stage := range r.Stages {
		if stage.Name == name {
			return stage.Busy
		}
	}
	return 0
}
