package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

func newImport(c *cli) *cobra.Command {
	var again []string
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Send the folders of a finished move to Amazon HealthLake",
		Long: `Sends the folders of a finished move to the data store target.healthlake.datastore,
one import job for each, one after the other: Binary-v1-0, Binary-v2-0, v1-0, v1-1,
v2-0, v10-0. A folder that has not arrived whole keeps all later ones from being
sent, so that no older version follows a newer one. It needs
target.healthlake.{datastore,role_arn,output,kms_key} and a sink in S3; the export
may be gone.

Run the same command again after any interruption: it takes the job in HealthLake
up again and starts none twice. A signal stops fhirhose at once, and not the job in
HealthLake. A folder is done when HealthLake has scanned as many resources as it
has lines, and imported or refused each. What it has refused is kept in
state/import, with HealthLake's own words: they may hold PHI.

What import does not do yet: it does not check that the data store is empty, nor
sizes and types against HealthLake's quotas; it neither applies deletes (the last
version of a deleted resource is imported, and stays) nor verifies what arrived,
beyond these counts; it sends the tenants of source.tenant "*" nowhere, and nothing
to a SMART store. It was tested against a simulation, never against live HealthLake.

Exit codes: 0 done, 3 resources were refused, or quarantined by the move, 4 the
counts differ, 5 try again later, 7 HealthLake gave up on a folder: repair, then
--again; 2 settings, 10 checkpoint, 11 in use by another, 12 not authorised,
130/143 stopped by a signal.`,
		Example: `  fhirhose import -c clinic-a.yaml
  fhirhose import -c clinic-a.yaml --again v2-0     # its job failed: start another one
  fhirhose import --target.healthlake.on_import_error=continue`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.importJob(cmd.Context(), job, again)
		},
	}
	addSettings(cmd)
	cmd.Flags().StringSliceVar(&again, "again", nil, "start another import of this folder, whose last one failed; may be repeated")
	return cmd
}

// importJob owns what an import holds as long as it runs: lock and checkpoint.
func (c *cli) importJob(ctx context.Context, job *jobfile.Job, again []string) (err error) {
	if err := job.Importable(); err != nil {
		return err
	}
	log, err := c.logger(c.stderr)
	if err != nil {
		return err
	}
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	lock, err := statedir.Take(job.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	limitMemory(job.Limits.Memory, log)
	store, err := checkpoint.Reopen(filepath.Join(job.State, checkpointFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	moved, err := records.Result(store)
	if err != nil {
		return err
	}
	if err := refuseQuarantine(job, &moved.Status); err != nil {
		return err
	}
	i := importRun{cli: c, job: job, store: store, folders: foldersOf(moved), again: again, log: log}
	if err := i.refuseAgain(); err != nil {
		return err
	}
	target, closeTarget, err := i.open(ctx, moved)
	if err != nil {
		return err
	}
	defer closeTarget()
	return i.conclude(i.run(ctx, target))
}

// refuseQuarantine is on_quarantine: what could not be moved may be the last
// version of a resource.
func refuseQuarantine(job *jobfile.Job, moved *metrics.Status) error {
	n := moved.Quarantined()
	if n == 0 || job.OnQuarantine == "continue" {
		return nil
	}
	return ended{exitQuarantine, &pipeline.Error{
		Op: "import", Object: job.Name,
		Err:  fmt.Errorf("the move has quarantined %s", human.Plural(n, "record")),
		Hint: "look at them with `fhirhose report`; on_quarantine: continue imports all the others",
	}}
}

// foldersOf counts the lines of each folder.
func foldersOf(moved *records.Finished) (folders []importing.Folder) {
	lines := map[string]int64{}
	for i := range moved.Files {
		lines[moved.Files[i].Dir()] += int64(moved.Files[i].Lines)
	}
	for name, n := range lines {
		folders = append(folders, importing.Folder{Name: name, Lines: n})
	}
	importing.InOrder(folders)
	return folders
}

// importRun is one run of an import.
type importRun struct {
	*cli
	job     *jobfile.Job
	store   *checkpoint.Store
	folders []importing.Folder // in order
	again   []string
	log     *slog.Logger
	arn     string // of the data store
}

// refuseAgain refuses to send a folder again of which no import has failed.
func (i *importRun) refuseAgain() error {
	known, err := importing.Records(i.store, "")
	if err != nil {
		return err
	}
	for _, name := range i.again {
		var words string
		switch r := known[name]; {
		case !slices.ContainsFunc(i.folders, func(f importing.Folder) bool { return f.Name == name }):
			words = "the job has no such folder"
		case r == nil:
			words = "its import has not begun"
		case r.Done:
			words = "it is imported already"
		default:
			continue
		}
		return usageError(fmt.Errorf("--again %s: %s", name, words), "leave it out")
	}
	return nil
}

// open opens the data store, and the buckets of the folders and of what HealthLake
// says of them.
func (i *importRun) open(ctx context.Context, moved *records.Finished) (target importing.Target, closeAll func(), err error) {
	w := wiring{job: i.job, seen: newObservation(i.job)}
	sink, err := w.openSinkStore(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer sink.Close()
	if err := i.checkFolders(ctx, sink, moved); err != nil {
		return nil, nil, err
	}
	to := i.job.Target.HealthLake
	store, err := healthlake.Open(ctx, healthlake.Options{
		Datastore: to.Datastore, Region: to.Region, RoleARN: to.RoleARN, Output: to.Output.String(), KMSKey: to.KMSKey,
		Validation: to.Validation, RequestsPerSecond: float64(to.RequestsPerSecond),
	})
	if err != nil {
		return nil, nil, err
	}
	described, err := store.Describe(ctx)
	if err != nil {
		return nil, nil, err
	}
	i.arn = described.ARN
	results, err := w.openStore(ctx, to.Output, objectstore.Options{
		Region: to.Region, PathStyle: i.job.Sink.S3.PathStyle, RequestChecksums: i.job.Sink.S3.RequestChecksums,
	})
	if err != nil {
		return nil, nil, err
	}
	return store.Imports(sink.Location(), results), results.Close, nil
}

// firstPause lies between the first two questions about an import; later ones are
// longer.
const firstPause = time.Second

func (i *importRun) run(ctx context.Context, target importing.Target) error {
	i.log.Info("importing", "job", i.job.Name, "folders", len(i.folders), "datastore", i.arn)
	waits := ""
	importer := importing.New(target, i.store, importing.Options{
		Job: i.job.Name, RunID: i.store.RunID(), Target: i.arn, State: i.job.State,
		GoOnAfterFailures: i.job.Target.HealthLake.OnImportError == "continue", Again: i.again,
		Log: i.log, Pause: cmp.Or(i.importPause, firstPause),
		Waiting: func(what string) {
			if what != "" && what != waits {
				i.log.Info("waiting", "for", what)
				waits = what
			}
		},
	})
	return importer.Run(ctx, i.folders)
}

// conclude says how far the import has come, and returns the error that the
// process ends with.
func (i *importRun) conclude(end error) error {
	known, err := importing.Records(i.store, "")
	if err != nil {
		return errors.Join(end, err)
	}
	if err := i.summarize(known).write(i.stdout, i.json); err != nil {
		return errors.Join(end, err)
	}
	_, explained := errors.AsType[*pipeline.Error](end)
	switch {
	case errors.Is(end, importing.ErrRefused) && !explained:
		return endWith(exitQuarantine) // the summary says where they are
	case errors.Is(end, importing.ErrRefused):
		return ended{exitQuarantine, end}
	case errors.Is(end, importing.ErrDiffers):
		return ended{exitDifference, end}
	case i.stopping.stopped(end):
		return ended{signalCode(i.stopping.signal()), i.left(known)}
	}
	return end
}

// left names the job that goes on without us.
func (i *importRun) left(known map[string]*importing.Record) error {
	e := &pipeline.Error{Op: "import", Object: i.job.Name, Err: errors.New("stopped by a signal"), Hint: "fhirhose import"}
	if i.file != "" {
		e.Hint += " -c " + i.file
	}
	e.Hint += " goes on from here"
	for name, r := range known {
		switch {
		case r.Over:
		case r.Job == "":
			e.Object, e.Err = name, fmt.Errorf("stopped by a signal; HealthLake may have been asked to start the job named %s, which then goes on", r.Name)
		default:
			e.Object, e.Err = name, fmt.Errorf("stopped by a signal; job %s goes on in HealthLake", r.Job)
		}
	}
	return e
}
