package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
)

// process is everything that a verb may touch of the world outside. Tests give
// their own.
type process struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	setenv         func(name, value string) error
	signals        <-chan os.Signal
	importPause    time.Duration // before the second question about an import or export; 0: that of each
	open           func(opening, running context.Context, job *jobfile.Job, seen *observation, log *slog.Logger) (*opened, error)
}

// run executes one command line and returns the exit code of design section 5.
func run(ctx context.Context, p process) int {
	ctx, stopping := watch(ctx, p.signals)
	defer stopping.done()
	root := newRoot(&p, stopping)
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	code := exitCode(err, stopping)
	switch {
	case err == nil, isQuiet(err):
	case stopping.stopped(err):
		_, _ = fmt.Fprintln(p.stderr, "stopped by a signal")
	default:
		explain(p.stderr, err)
	}
	return code
}

// explain writes what went wrong and what to do about it.
func explain(stderr io.Writer, err error) {
	if several, ok := errors.AsType[problems](err); ok {
		for _, one := range several {
			explain(stderr, one)
		}
		return
	}
	_, _ = fmt.Fprintf(stderr, "error: %v\n", err)
	if hint := pipeline.HintOf(err); hint != "" {
		_, _ = fmt.Fprintf(stderr, "try: %s\n", hint)
	}
}

// cli is one command line: the process, and the flags that every verb understands.
type cli struct {
	*process
	stopping  *stopping
	file      string
	json      bool
	logLevel  string
	logFormat string
	trail     *trail // of the verb that runs; nil: it has no audit log
}

func newRoot(p *process, s *stopping) *cobra.Command {
	c := &cli{process: p, stopping: s}
	root := &cobra.Command{
		Use:   "fhirhose",
		Short: "Move FHIR data in bulk",
		Long: `fhirhose moves FHIR data, in bulk, from where it lives to where it must go.
Today: from a FHIR Works table, by a DynamoDB export, into folders of NDJSON and on
into Amazon HealthLake, exactly once, however often it is interrupted.`,
		Example: `  fhirhose demo                # see it work: no account, no network, a few seconds
  fhirhose check               # read fhirhose.yaml, say what there is to move; writes nothing
  fhirhose migrate             # all that follows, up to the answer whether it is safe to cut over
  fhirhose move                # into folders of the sink; run it again after any interruption
  fhirhose report              # what became of every record
  fhirhose import              # send the folders to Amazon HealthLake, in the order of their versions
  fhirhose verify              # prove that all of it arrived`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownVerb(cmd, args[0])
		},
	}
	root.SuggestionsMinimumDistance = 2
	flags := root.PersistentFlags()
	flags.StringVarP(&c.file, "config", "c", "", "job file (default "+jobfile.DefaultFile+")")
	flags.BoolVar(&c.json, "json", false, "write JSON to stdout")
	flags.StringVar(&c.logLevel, "log-level", "info", "least level of log lines: debug, info, warn, error")
	flags.StringVar(&c.logFormat, "log-format", "text", "format of log lines on stderr: text, json")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(err, "`"+cmd.CommandPath()+" --help` lists the flags, `fhirhose help settings` those of the job file")
	})
	root.AddCommand(
		newCheck(c),
		newIAM(c),
		newExport(c),
		newMove(c),
		newImport(c),
		newVerify(c),
		newMigrate(c),
		newStatus(c),
		newReport(c),
		newAudit(c),
		newFind(c),
		newQuarantine(c),
		newClean(c),
		newDemo(c),
		newVersion(c),
		newSettingsTopic(),
	)
	c.auditVerbs(root)
	return root
}

// unknownVerb repeats what is near to a verb. Anything else may be an id (I10).
func unknownVerb(root *cobra.Command, name string) error {
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return usageError(fmt.Errorf("there is no verb %q", name), "fhirhose "+near[0])
	}
	return usageError(errors.New("there is no such verb"), "`fhirhose help` lists the verbs")
}

// noArgs refuses what is no flag. It is not repeated: it may be an id (I10).
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Errorf("%s takes no argument, but got %d", cmd.CommandPath(), len(args)), "`"+cmd.CommandPath()+" --help`")
	}
	return nil
}

func usageError(err error, hint string) error {
	return &pipeline.Error{Op: "read command line", Kind: pipeline.KindConfig, Err: err, Hint: hint}
}
