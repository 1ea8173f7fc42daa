package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
)

func newDemo(c *cli) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Migrate a small made-up table into a simulation of HealthLake, and show the report",
		Long: `Makes up a small FHIR Works table, with several versions of each resource, deleted
ones and a few broken records, and a bucket of the contents of its Binaries, one of
which is missing while another belongs to no row. Then it runs the whole migration:
export, check, and migrate, which is move, import with the deletes, verify, report.

It needs no account and no network, takes some seconds, and touches nothing outside
its own directory. DynamoDB, S3 and HealthLake are simulations, which live in this
process and end with it; what the bucket held lies in the directory afterwards. The
job file is one to start from.`,
		Example: `  fhirhose demo
  fhirhose demo --dir=/tmp/demo     # again with the same directory: the job is finished, nothing is touched`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("log-level") {
				c.logLevel = "warn" // what the verbs print is enough to see
			}
			return c.demo(cmd.Context(), dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the demo (default a new ./fhirhose-demo-...)")
	return cmd
}

const demoJob = `# A job of fhirhose. Every key and its default: fhirhose help settings
job: demo
state: ./state                # where the job is remembered; holds PHI
source:
  dynamodb_export:
    table_arn: ` + dynamodbtest.TableARN + `
    export_to: s3://demo/export      # or, instead of both, location: where an export lies
  binaries: s3://demo/binaries     # contents of Binary rows: s3://bucket, a directory, or none
  s3: {path_style: true}           # of the simulation; S3 itself needs none
sink:
  location: s3://demo/out          # or a directory, if there is nothing to import
  s3: {path_style: true}
layout:
  max_file_size: 250kB        # small, to show several files and folders; default 512MB
  max_folder_files: 24        # default 10000
  lanes: 4
on_quarantine: continue       # a real migration stops here, for a person to look; default stop
target:
  healthlake:
    region: ` + demoRegion + `
    datastore: ` + healthlaketest.DatastoreID + `
    role_arn: arn:aws:iam::123456789012:role/healthlake-import
    output: s3://demo/results
    kms_key: arn:aws:kms:` + demoRegion + `:123456789012:key/11111111-2222-3333-4444-555555555555
verify:
  export_to: s3://demo/verification
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
	made, err := demoIsNew(dir, path)
	if err != nil {
		return err
	}
	services, err := startDemoServices(filepath.Join(dir, demoBucket), c.setenv)
	if err != nil {
		return demoError(dir, err)
	}
	defer services.close()
	if made {
		summary, err := makeDemo(ctx, dir, path)
		if err != nil {
			return err
		}
		say("Made a table of %s, and started simulations of DynamoDB's export, S3 and HealthLake\n", human.Plural(summary.Items, "record"))
	}
	if err := services.load(); err != nil {
		return demoError(dir, err)
	}
	if err := c.runDemo(ctx, path, say); err != nil {
		return err
	}
	if made {
		if err := services.keep(ctx); err != nil {
			return demoError(dir, err)
		}
		say("\nWhat the simulated bucket held is in %s\n", services.dir)
	}
	say("\nIt is not safe because of the defects that were planted: a table without them ends with yes.\n")
	say("Try also: the same demo again with --dir=%s (it is finished, so nothing happens), or edit %s for data of yours.\n", dir, path)
	return nil
}

// runDemo runs the verbs of a migration as an operator would.
func (c *cli) runDemo(ctx context.Context, path string, say func(string, ...any)) error {
	job, err := jobfile.Load(jobfile.Input{File: path, Setenv: c.setenv})
	if err != nil {
		return err
	}
	c.importPause = cmp.Or(c.importPause, demoPause)
	if !c.json {
		say("\n$ fhirhose export -c %s\n", path)
		if err := c.exportJob(ctx, job); err != nil {
			return err
		}
		say("\n$ fhirhose check -c %s\n", path)
		if err := c.demoCheck(ctx, job); err != nil {
			return err
		}
	}
	say("\n$ fhirhose migrate -c %s\n", path)
	if err := c.beginTrail(ctx, "migrate", new(pflag.FlagSet), job); err != nil {
		return err
	}
	if err := c.endAudit(ctx, c.migrate(ctx, job)); err != nil && !isQuiet(err) {
		return err
	}
	if c.stopping.signal() != nil {
		return context.Canceled
	}
	return nil
}

// demoPause lies between two questions to the simulation, which is quick.
const demoPause = 50 * time.Millisecond

// demoCheck shows the check; a demo may lie where a real job may not.
func (c *cli) demoCheck(ctx context.Context, job *jobfile.Job) error {
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	var found problems
	err := c.check(ctx, job, false)
	if !errors.As(err, &found) {
		return err
	}
	explain(c.stdout, found)
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

// demoBucket is the directory of the simulated bucket's objects.
const demoBucket = "bucket"

// demoIsNew tells whether there is no demo in a directory yet. One that was
// interrupted cannot go on: what its services held is gone.
func demoIsNew(dir, job string) (bool, error) {
	if _, err := os.Stat(job); errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if _, err := os.Stat(filepath.Join(dir, demoBucket, "out", "demo", announceName)); err != nil {
		e := &pipeline.Error{Op: "go on with demo in", Object: dir, Kind: pipeline.KindConfig, Hint: "remove that directory, or name another one with --dir"}
		e.Err = errors.New("it was interrupted, and the simulations forget everything with their process")
		return false, e
	}
	return false, nil
}

// makeDemo writes the contents of the table's Binaries, and the job file last: a
// demo without it is made again.
func makeDemo(ctx context.Context, dir, path string) (generate.Summary, error) {
	contents := filepath.Join(dir, demoBucket, "binaries")
	made, err := demoTable(ctx, "", "", contents)
	if err != nil {
		return made, demoError(dir, err)
	}
	if err := loseContent(contents); err != nil {
		return made, demoError(dir, err)
	}
	if err := os.WriteFile(path, []byte(demoJob), 0o600); err != nil {
		return made, demoError(dir, err)
	}
	return made, nil
}

// demoTable writes an export of the demo's table to dir, and the contents of its
// Binaries. A directory that is not named is a temporary one.
func demoTable(ctx context.Context, dir, prefix, contents string) (made generate.Summary, err error) {
	scratch, err := os.MkdirTemp("", "fhirhose-demo-")
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	return generate.Write(ctx, generate.Options{
		Dir: cmp.Or(dir, filepath.Join(scratch, "export")), Prefix: prefix, Contents: cmp.Or(contents, filepath.Join(scratch, "contents")),
		Resources: 4000, Versions: 4, Objects: 6, EmptyObjects: 2,
		Plant: []generate.Defect{
			generate.BadID, generate.BadNumber, generate.NotJSON, generate.PendingTop,
			generate.VersionHole, generate.DuplicateRow, generate.UnknownAttribute,
		},
	})
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
