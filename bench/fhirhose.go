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
}

const jobFile = `job: bench
state: %s
source:
  dynamodb_export:
    location: %s
sink:
  location: %s
limits:
  memory: %s
  workers: %d
http:
  listen: ""
`

// move is the contender `fhirhose move`, disk to disk.
func (s *settings) move(name string, in input, o moveOptions) *contender {
	if o.memory == "" {
		o.memory = "512MiB"
	}
	return &contender{name: name, fhirhose: true, complete: true, commands: func(out string) ([][]string, error) {
		job := filepath.Join(out, "job.yaml")
		content := fmt.Sprintf(jobFile, filepath.Join(out, "state"), in.Dir, filepath.Join(out, "sink"), o.memory, o.workers)
		if err := os.WriteFile(job, []byte(content), 0o600); err != nil {
			return nil, err
		}
		return [][]string{{s.fhirhose, "move", "-c", job}}, nil
	}}
}

// runStatus is what the bench reads of state/status.json.
type runStatus struct {
	Elapsed    float64 `json:"elapsed_seconds"`
	Files      int64   `json:"files"`
	Cuts       int64   `json:"cuts"`
	CutSeconds float64 `json:"cut_seconds"`
	Stages     []struct {
		Name string  `json:"name"`
		Busy float64 `json:"busy_seconds"`
	} `json:"stages"`
}

// readRunStatus returns zeros if the run left no status behind.
func readRunStatus(out string) (r runStatus) {
	content, err := os.ReadFile(filepath.Join(out, "state", "status.json"))
	if err == nil {
		_ = json.Unmarshal(content, &r)
	}
	return r
}

func (r runStatus) busy() string {
	var parts []string
	for _, stage := range r.Stages {
		parts = append(parts, fmt.Sprintf("%s %.2f s", stage.Name, stage.Busy))
	}
	return strings.Join(parts, ", ")
}
