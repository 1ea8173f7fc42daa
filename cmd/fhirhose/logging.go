package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// logger writes to out as the flags say.
func (c *cli) logger(out io.Writer) (*slog.Logger, error) {
	handler, err := c.handler(out)
	if err != nil {
		return nil, err
	}
	return slog.New(handler), nil
}

func (c *cli) handler(out io.Writer) (slog.Handler, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, usageError(fmt.Errorf("--log-level %q is none", c.logLevel), "--log-level=debug, info, warn or error")
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.logFormat {
	case "text":
		return slog.NewTextHandler(out, options), nil
	case "json":
		return slog.NewJSONHandler(out, options), nil
	}
	return nil, usageError(fmt.Errorf("--log-format %q is none", c.logFormat), "--log-format=text or json")
}

// What the files of log.dir begin with: the names of the FHIR Works migration tool,
// for those who collect them.
const (
	exportLog       = "export_output" // export and move
	contentsLogName = "binary_conversion_output"
	importLog       = "import_output"
	verifyLog       = "import_verification"
)

// phaseLog is a logger to out and, where log.dir is set, to a file of this run
// there, <phase>_<milliseconds since 1970>.log. closeLog closes the file; how the verb
// ends is its last line. It returns the verb's error.
func (c *cli) phaseLog(out io.Writer, job *jobfile.Job, phase string) (log *slog.Logger, closeLog func(error) error, err error) {
	handler, err := c.handler(out)
	if err != nil {
		return nil, nil, err
	}
	if job.LogDir == "" {
		return slog.New(handler), func(err error) error { return err }, nil
	}
	file, err := createLog(job.LogDir, phase)
	if err != nil {
		return nil, nil, err
	}
	kept, err := c.handler(file)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	log = slog.New(slog.NewMultiHandler(handler, kept))
	return log, func(end error) error {
		own, code := slog.New(kept), exitCode(end, c.stopping)
		if end == nil || isQuiet(end) {
			own.Info("ended", "exit", code)
		} else {
			own.Error("ended", "exit", code, "error", end, "try", pipeline.HintOf(end))
		}
		if err := file.Close(); err != nil {
			slog.New(handler).Warn("the log file may not be whole", "file", file.Name(), "error", err)
		}
		return end
	}, nil
}

// createLog makes a file that was not there.
func createLog(dir, phase string) (*os.File, error) {
	if err := durable.MkdirAll(dir); err != nil {
		return nil, durable.Failure("make log directory", dir, err)
	}
	for now := time.Now().UnixMilli(); ; now++ {
		path := filepath.Join(dir, fmt.Sprintf("%s_%d.log", phase, now))
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
		switch {
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil:
			return nil, durable.Failure("make log file", path, err)
		}
		return file, nil
	}
}
