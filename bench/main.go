package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "generate":
			return generateCommand(ctx, args[1:])
		case "gunzip": // a contender: see gunzip.go
			return gunzip(args[1:])
		case "floor": // a contender: see floor.go
			return floor(ctx, args[1:])
		case "pipeline": // a contender: see cuts.go
			return pipelineCommandLine(ctx, args[1:])
		case "compare":
			return compareCommand(args[1:])
		}
	}
	s, err := parseSettings(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.measureAll(ctx)
}
