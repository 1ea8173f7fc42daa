package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
)

// The exit codes of design section 5.
const (
	exitDone       = 0
	exitOther      = 1
	exitConfig     = 2
	exitQuarantine = 3
	exitDifference = 4
	exitRetryLater = 5
	exitFatal      = 7
	exitCheckpoint = 10
	exitClaimed    = 11
	exitAuth       = 12
	exitSignal     = 128 // plus the signal's number
)

// ended is how a verb ends with a code of its own. Without err nothing went
// wrong that needs a message: what there was to say is on stdout.
type ended struct {
	code int
	err  error
}

func (e ended) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return fmt.Sprintf("exit code %d", e.code)
}

func (e ended) Unwrap() error { return e.err }

// isQuiet tells whether err asks for a code, and no message.
func isQuiet(err error) bool {
	e, ok := errors.AsType[ended](err)
	return ok && e.err == nil
}

// endWith returns the error of a verb that has said all, with this code.
func endWith(code int) error {
	if code == exitDone {
		return nil
	}
	return ended{code: code}
}

func exitCode(err error, s *stopping) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[ended](err); ok {
		return e.code
	}
	if s.stopped(err) {
		return signalCode(s.signal())
	}
	return kindCode(pipeline.KindOf(err))
}

// signalCode is 130 for SIGINT, 143 for SIGTERM.
func signalCode(signal os.Signal) int {
	if number, ok := signal.(syscall.Signal); ok {
		return exitSignal + int(number)
	}
	return exitSignal + int(syscall.SIGINT)
}

func kindCode(kind pipeline.Kind) int {
	switch kind {
	case pipeline.KindConfig:
		return exitConfig
	case pipeline.KindRetryLater:
		return exitRetryLater
	case pipeline.KindFatal:
		return exitFatal
	case pipeline.KindCheckpoint:
		return exitCheckpoint
	case pipeline.KindClaimed:
		return exitClaimed
	case pipeline.KindAuth:
		return exitAuth
	default:
		return exitOther
	}
}

// finishedCode is the code of a job that came to its end.
func finishedCode(s *metrics.Status) int {
	if s.Quarantined() > 0 {
		return exitQuarantine
	}
	return exitDone
}
