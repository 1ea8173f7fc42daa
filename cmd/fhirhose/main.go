// Command fhirhose moves FHIR data in bulk; docs/README and `fhirhose help` say
// how. This package is the process: flags, files, signals and exit codes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(mainCode()) }

func mainCode() int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	return run(context.Background(), process{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		environ: os.Environ(), setenv: os.Setenv, signals: signals, open: openMover,
	})
}
