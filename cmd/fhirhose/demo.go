package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
)

func newDemo(c *cli) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Make a small export, move it, and show the report",
		Long: `Makes a small export of a made-up FHIR Works table, with several versions of each
resource and a few broken records, and a directory of the contents of its
Binaries, one of which is missing while another belongs to no row. Writes a job
file for it, checks it, moves it and shows the report. It needs no account and no
network, takes a few seconds, and touches nothing outside its own directory. The
job file is one to start from.`,
		Example: `  fhirhose demo
  fhirhose demo --dir=/tmp/demo     # again with the same directory: the job is finished, nothing is touched`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context(), dir) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the demo (default a new ./fhirhose-demo-...)")
	return cmd
}

const demoJob = `# A job of fhirhose. Every key and its default: fhirhose help settings
job: demo
state: ./state                # where the job is remembered; holds PHI
source:
  dynamodb_export:
    location: ./export        # or s3://bucket/prefix/AWSDynamoDB/<export id>
  binaries: ./binaries        # contents of Binary rows: s3://bucket, a directory, or none
sink:
  location: ./out             # or s3://bucket/prefix
layout:
  max_file_size: 250kB        # small, to show several files and folders; default 512MB
  max_folder_files: 24        # default 10000
  lanes: 4
http:
  listen: ""                  # 127.0.0.1:9464 serves /metrics, /healthz and /readyz
`

func (c *cli) demo(ctx context.Context, dir string) error {
	dir, err := demoDirectory(dir)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) {
		if !c.json {
			_, _ = fmt.Fprintf(c.stdout, format, args...)
		}
	}
	path := filepath.Join(dir, jobfile.DefaultFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		made, err := makeDemo(ctx, dir, path)
		if err != nil {
			return err
		}
		say("Made an export of %s in %s: %s\n", human.Plural(made.Items, "record"),
			human.Plural(int64(len(made.Objects)), "object"), filepath.Join(dir, "export"))
	}
	job, err := jobfile.Load(jobfile.Input{File: path, Setenv: c.setenv})
	if err != nil {
		return err
	}
	say("\n$ fhirhose check -c %s\n", path)
	if !c.json {
		if err := c.demoCheck(ctx, job); err != nil {
			return err
		}
	}
	say("\n$ fhirhose move -c %s\n", path)
	if err := c.move(ctx, job, moveFlags{}); err != nil && !isQuiet(err) {
		return err
	}
	if c.stopping.signal() != nil {
		return context.Canceled
	}
	say("\n$ fhirhose report -c %s\n", path)
	if err := c.report(job); err != nil {
		return err
	}
	say("\nTry also: fhirhose move -c %s (it is finished, so nothing happens), or edit that file for data of yours.\n", path)
	return nil
}

// demoCheck shows the check; a demo may lie where a real job may not.
func (c *cli) demoCheck(ctx context.Context, job *jobfile.Job) error {
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	var found problems
	if err := c.check(ctx, job, false); err != nil && !errors.As(err, &found) {
		return err
	}
	return nil
}

// demoDirectory makes a new directory, or takes the one that is named if it is
// empty or holds a demo.
func demoDirectory(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp(".", "fhirhose-demo-")
		if err != nil {
			return "", demoError(".", err)
		}
		return made, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", demoError(dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, jobfile.DefaultFile)); err != nil && len(entries) > 0 {
		return "", demoError(dir, errors.New("there is something else in it"))
	}
	return dir, nil
}

// makeDemo writes the export, and the job file last: a demo without it is made
// again.
func makeDemo(ctx context.Context, dir, path string) (generate.Summary, error) {
	made, err := generate.Write(ctx, generate.Options{
		Dir: filepath.Join(dir, "export"), Contents: filepath.Join(dir, "binaries"), Resources: 4000, Versions: 4, Objects: 6, EmptyObjects: 2,
		Plant: []generate.Defect{
			generate.BadID, generate.BadNumber, generate.NotJSON, generate.PendingTop,
			generate.VersionHole, generate.DuplicateRow, generate.UnknownAttribute,
		},
	})
	if err != nil {
		return made, demoError(dir, err)
	}
	if err := loseContent(filepath.Join(dir, "binaries")); err != nil {
		return made, demoError(dir, err)
	}
	if err := os.WriteFile(path, []byte(demoJob), 0o600); err != nil {
		return made, demoError(dir, err)
	}
	return made, nil
}

// loseContent gives one of the contents a name that no Binary row has: its row
// lacks it, and it is an orphan.
func loseContent(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return err
	}
	return os.Rename(filepath.Join(dir, entries[0].Name()), filepath.Join(dir, "of-nobody_1.pdf"))
}

func demoError(dir string, err error) error {
	return &pipeline.Error{Op: "make demo in", Object: dir, Kind: pipeline.KindConfig, Err: err, Hint: "name an empty directory with --dir"}
}
