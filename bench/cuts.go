package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/sinks/folder"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
)

// measureCuts compares moves that cut as usual with moves that cut only at
// their end. The job file has no setting for that, so both are done by this
// program (`bench pipeline`) with the packages of fhirhose.
func measureCuts(ctx context.Context, s *settings) (string, error) {
	main, err := s.mainInput(ctx)
	if err != nil {
		return "", err
	}
	files, err := fileInput(ctx, s)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("\n| | wall s usual | wall s nearly off | usual / off, wall | CPU s usual | CPU s nearly off | usual / off, CPU | cuts | cut s, beside the flow |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, shape := range []struct {
		name   string
		input  input
		memory string
		rounds int
	}{{"realistic, bar 1.05", main, "512", s.rounds}, {"28,000 dirty files, bar 1.10", files, "256", min(3, s.rounds)}} {
		usual := &contender{name: "cuts as usual", commands: pipelineCommand(shape.input, shape.memory, "0")}
		off := &contender{name: "cuts nearly off", commands: pipelineCommand(shape.input, shape.memory, "24h")}
		c := &contest{settings: s, name: "cuts " + shape.input.Name, input: shape.input, rounds: shape.rounds, entries: []*contender{usual, off}}
		if err := c.run(ctx); err != nil {
			return b.String(), err
		}
		if usual.failed() || off.failed() {
			return b.String(), errors.New(usual.failure + off.failure)
		}
		cuts, seconds := readCuts(usual.out + ".log")
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | %v | %.2f | %.2f | %v | %d | %.2f |\n", shape.name, usual.median().Wall.Seconds(), off.median().Wall.Seconds(),
			usual.against(off, wallOf), usual.median().CPU.Seconds(), off.median().CPU.Seconds(), usual.against(off, cpuOf), cuts, seconds)
	}
	b.WriteString("\nRatios are of the runs of one round: median (least to most). Both make the one cut at the end, and sync every file when it is sealed.\n")
	return b.String(), nil
}

func pipelineCommand(in input, memory, every string) func(string) ([][]string, error) {
	return func(out string) ([][]string, error) {
		return [][]string{{self(), "pipeline", "-memory", memory, "-cut-every", every, in.Dir, out}}, nil
	}
}

func readCuts(log string) (cuts int64, seconds float64) {
	content, _ := os.ReadFile(log)
	_, _ = fmt.Sscanf(string(content), "%d cuts, %f s", &cuts, &seconds)
	return cuts, seconds
}

// pipelineCommandLine moves an export from disk to disk, as `fhirhose move`
// does, but with any cut interval.
func pipelineCommandLine(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench pipeline", flag.ContinueOnError)
	memory := f.Int64("memory", 512, "limits.memory in MiB")
	every := f.Duration("cut-every", 0, "time between cuts; 0 is the default")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errors.New("usage: bench pipeline [flags] EXPORT OUT")
	}
	debug.SetMemoryLimit((*memory - 16) << 20)
	o := records.Options{
		Job: "bench", Lanes: 16, Prefix: "bench/", Memory: *memory << 20, Spool: 10 << 30,
		State: filepath.Join(f.Arg(1), "state"), CutEvery: *every,
		Caps:    shard.Caps{FileBytes: 512e6, FolderBytes: 500e9, FolderFiles: 10_000},
		Convert: convert.Options{Deleted: true},
	}
	o.Convert.MaxLine = o.Caps.MaxLine()
	if *every > time.Hour {
		o.CutBytes = math.MaxInt64
	}
	return runPipeline(ctx, o, f.Arg(0), filepath.Join(f.Arg(1), "sink", "bench"))
}

func runPipeline(ctx context.Context, o records.Options, export, out string) error {
	if err := os.MkdirAll(o.State, 0o700); err != nil {
		return err
	}
	source, err := dynamoexport.Open(ctx, dynamoexport.Options{Location: export, StateDir: o.State})
	if err != nil {
		return err
	}
	sink, err := folder.Open(folder.Options{Dir: out})
	if err != nil {
		return err
	}
	store, err := checkpoint.Open(filepath.Join(o.State, "checkpoint.db"), checkpoint.NewIdentity(o.Shape(), source.Objects()))
	if err != nil {
		return err
	}
	o.Claim = store.Claim()
	m, err := records.New(o, source, func(string) (pipeline.Sink, error) { return sink, nil }, store, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return errors.Join(err, store.Close())
	}
	err = errors.Join(m.Run(ctx, nil), store.Close())
	status := m.Status()
	fmt.Printf("%d cuts, %f s\n", status.Cuts, status.CutSeconds)
	return err
}
