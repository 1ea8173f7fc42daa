package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

func newImport(c *cli) *cobra.Command {
	var again []string
	var from string
	var intoNonempty bool
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Send the folders of a finished move to Amazon HealthLake",
		Long: `Sends the folders of a finished move to the data store target.healthlake.datastore,
one import job for each, one after the other: Binary-v1-0, Binary-v2-0, v1-0, v1-1,
v2-0, v10-0. A folder that has not arrived whole keeps all later ones from being
sent, so that no older version follows a newer one. It needs
target.healthlake.{datastore,role_arn,output,kms_key} and a sink in S3; the export
may be gone. With source.tenant "*" each tenant's folders go to its own store, one
tenant after the other: target.healthlake.datastores names them, no two alike.

Run the same command again after any interruption: it takes the job in HealthLake
up again and starts none twice. A signal stops fhirhose at once, and not the job in
HealthLake. A folder is done when HealthLake has scanned as many resources as it
has lines, and imported or refused each. What it has refused is kept in
state/import, with HealthLake's own words: they may hold PHI.

Before the first folder it looks whether anything stands in the way, as fhirhose
check does: the folders against target.healthlake.quotas, one region of data store,
buckets and key, the public access of output, types that the data store does not
take, resources that it holds already (--into-nonempty imports over them). What it
finds is exit 2.

Once all folders are in, it deletes in the data store what is deleted in the source:
resources whose last version is DELETED, and whose content there is ours. What stays
is told, kept in state/import (PHI) and tried again by the next run; docs/deletes.md
has the rules.

What import does not do: it does not verify what arrived beyond these counts. It was
tested against a simulation, never against live HealthLake.

Exit codes: 0 done, 3 resources were refused, or stay though they should be deleted,
or were quarantined by the move, 4 the counts differ, 5 try again later, 7 HealthLake
gave up on a folder: repair, then --again; 2 settings, 10 checkpoint, 11 in use by
another, 12 not authorised, 130/143 stopped by a signal.`,
		Example: `  fhirhose import -c clinic-a.yaml
  fhirhose import -c clinic-a.yaml --again v2-0     # its job failed: start another one
  fhirhose import --target.healthlake.on_import_error=continue`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from != "" {
				return usageError(errors.New("--from is gone: folders of the FHIR Works tool are moved first, within the quotas and with a ledger"),
					"write in the job file source: {fhirworks_folders: {location: "+from+"}} and a sink of its own; then fhirhose migrate, or move and import")
			}
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.importJob(cmd.Context(), job, again, intoNonempty)
		},
	}
	addSettings(cmd)
	cmd.Flags().StringVar(&from, "from", "", "gone: source.fhirworks_folders moves the folders of the FHIR Works tool")
	_ = cmd.Flags().MarkHidden("from")
	cmd.Flags().BoolVar(&intoNonempty, "into-nonempty", false, "import into a data store that holds resources already; recorded")
	cmd.Flags().StringSliceVar(&again, "again", nil, "start another import of this folder, [<tenant>/]v2-0, whose last one failed; or [<tenant>/]deletes: apply all deletes once more; may be repeated")
	return cmd
}

// importJob owns what an import holds as long as it runs: lock and checkpoint.
func (c *cli) importJob(ctx context.Context, job *jobfile.Job, again []string, intoNonempty bool) (err error) {
	if err := job.Importable(); err != nil {
		return err
	}
	logs := &switchWriter{to: c.stderr}
	log, closeLog, err := c.phaseLog(logs, job, importLog)
	if err != nil {
		return err
	}
	defer func() { err = closeLog(err) }()
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	done, err := ownFinished(job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done.close()) }()
	if err := refuseQuarantine(job, done.store, done.moved); err != nil {
		return err
	}
	limitMemory(job.Limits.Memory, log)
	i := importRun{cli: c, job: job, store: done.store, to: done.to, intoNonempty: intoNonempty, log: log, logs: logs}
	i.seen = &importSeen{observation: newObservation(job)}
	i.seen.watch(i.seen)
	i.seen.moved = done.moved.Status
	if err := i.takeAgain(again); err != nil {
		return err
	}
	defer i.close()
	if err := i.open(ctx); err != nil {
		return err
	}
	if err := i.tell(); err != nil {
		return err
	}
	return i.conclude(i.watched(ctx))
}

// refuseQuarantine is on_quarantine: what could not be moved may be the last
// version of a resource. A person may accept it.
func refuseQuarantine(job *jobfile.Job, store *checkpoint.Store, moved *records.Finished) error {
	if job.OnQuarantine == "continue" {
		return nil
	}
	if accepted, err := quarantineAccepted(store, moved); err != nil || accepted {
		return err
	}
	return ended{exitQuarantine, &pipeline.Error{
		Op: "import", Object: job.Name,
		Err:  fmt.Errorf("the move has quarantined %s", human.Plural(moved.Status.Quarantined(), "record")),
		Hint: "look at them with `fhirhose quarantine list`; `fhirhose quarantine accept`, or on_quarantine: continue, imports all the others",
	}}
}

// importRun is one run of an import.
type importRun struct {
	*cli
	job          *jobfile.Job
	store        *checkpoint.Store
	to           []*destination      // by tenant
	again        map[string][]string // folders of each tenant
	intoNonempty bool
	log          *slog.Logger
	logs         *switchWriter // of log
	seen         *importSeen
	results      *objectstore.Store // the bucket of target.healthlake.output
	waits        string             // what the log said last
}

// takeAgain takes the folders that are to be sent again, [<tenant>/]v1-0. It refuses
// those of which no import has failed. [<tenant>/]deletes are all deletes.
func (i *importRun) takeAgain(names []string) error {
	i.again = map[string][]string{}
	for _, name := range names {
		tenant, folder := path.Split(name)
		tenant = strings.TrimSuffix(tenant, "/")
		known, err := importing.Records(i.store, tenant)
		if err != nil {
			return err
		}
		deletes, err := deleting.Result(i.store, tenant)
		if err != nil {
			return err
		}
		var words string
		switch r := known[folder]; {
		case folder == againDeletes && deletes.Over:
			i.again[tenant] = append(i.again[tenant], folder)
			continue
		case folder == againDeletes:
			words = "they are not applied yet"
		case !i.has(tenant, folder):
			words = "the job has no such folder"
		case r == nil:
			words = "its import has not begun"
		case r.Done:
			words = "it is imported already"
		default:
			i.again[tenant] = append(i.again[tenant], folder)
			continue
		}
		return usageError(fmt.Errorf("--again %s: %s", name, words), "leave it out")
	}
	return nil
}

func (i *importRun) has(tenant, folder string) bool {
	return slices.ContainsFunc(i.to, func(d *destination) bool {
		return d.tenant == tenant && slices.ContainsFunc(d.folders, func(f importing.Folder) bool { return f.Name == folder })
	})
}

// open opens every data store before anything is sent to one, and the bucket of
// what HealthLake says. Every sink must be as the move has left it, and nothing may
// stand in the way.
func (i *importRun) open(ctx context.Context) (err error) {
	w := wiring{job: i.job, seen: newObservation(i.job)}
	sink, err := w.openSinkStore(ctx)
	if err != nil {
		return err
	}
	defer sink.Close()
	for _, d := range i.to {
		if err := i.checkFolders(ctx, sink.Beside(d.sink.Prefix), d); err != nil {
			return err
		}
	}
	for _, d := range i.to {
		if err := d.open(ctx, i.job); err != nil {
			return err
		}
	}
	if i.results, err = w.openResults(ctx); err != nil {
		return err
	}
	var exported *objectstore.Store
	if !i.job.Verify.ExportTo.IsZero() {
		if exported, err = w.openExported(ctx); err != nil {
			return err
		}
		defer exported.Close()
	}
	return i.preflight(ctx, sink, exported)
}

func (i *importRun) close() {
	if i.results != nil {
		i.results.Close()
	}
}

// firstPause lies between the first two questions about an import; later ones are
// longer.
const firstPause = time.Second

// run imports for one tenant after the other. The first that stops it stops it for
// all: what is wrong is seldom the matter of one tenant alone.
func (i *importRun) run(ctx context.Context) (end error) {
	for _, d := range i.to {
		switch err := i.into(ctx, d); {
		case errors.Is(err, importing.ErrRefused) && i.goesOn(), errors.Is(err, errStays):
			end = err
		case err != nil:
			return err
		}
	}
	return end
}

func (i *importRun) goesOn() bool { return i.job.Target.HealthLake.OnImportError == "continue" }

// into imports the folders of one tenant into its data store, and then deletes
// there what is deleted.
func (i *importRun) into(ctx context.Context, d *destination) error {
	accepted, err := i.refusedAccepted(d)
	if err != nil {
		return err
	}
	i.log.Info("importing", "job", i.job.Name, "tenant", d.tenant, "folders", len(d.folders), "datastore", d.about.ARN)
	importer := importing.New(d.store.Imports(d.place(), i.results), i.store, importing.Options{
		Job: i.job.Name, Tenant: d.tenant, RunID: i.store.RunID(), Target: d.about.ARN, State: i.job.State,
		GoOnAfterFailures: i.goesOn(), Accepted: accepted, Again: i.again[d.tenant], Queued: i.job.Target.HealthLake.MaxJobsQueued,
		Log: i.log, Pause: cmp.Or(i.importPause, firstPause), Waiting: i.waiting,
		Seen: func(folder string, job importing.Job) { i.seen.saw(d.of(folder), job) },
		Done: i.tell,
	})
	end := importer.Run(ctx, d.folders)
	if errors.Is(end, importing.ErrRefused) {
		if err := i.judge(ctx, d); err != nil {
			return err
		}
	}
	if end == nil || errors.Is(end, importing.ErrRefused) && i.goesOn() {
		return cmp.Or(i.deletes(ctx, d), end)
	}
	return end
}

// tell renews what is seen of the import by what the checkpoint knows.
func (i *importRun) tell() error {
	summary, err := i.summarize()
	if err != nil {
		return err
	}
	i.seen.took(summary)
	return nil
}

func (i *importRun) waiting(what string) {
	i.seen.waiting(what)
	if what != "" && what != i.waits {
		i.log.Info("waiting", "for", what)
		i.waits = what
	}
}

// conclude says how far the import has come, and returns the error that the
// process ends with.
func (i *importRun) conclude(end error) error {
	summary, err := i.summarize()
	if err != nil {
		return errors.Join(end, err)
	}
	i.note("folders", summary.stores())
	if err := i.seen.finished(summary); err != nil {
		i.log.Warn("the last status could not be written", "error", err)
	}
	if err := summary.write(i.stdout, i.json); err != nil {
		return errors.Join(end, err)
	}
	_, explained := errors.AsType[*pipeline.Error](end)
	switch {
	case errors.Is(end, importing.ErrRefused) && !explained:
		return endWith(exitQuarantine) // the summary says where they are
	case errors.Is(end, importing.ErrRefused), errors.Is(end, errStays):
		return ended{exitQuarantine, end}
	case errors.Is(end, importing.ErrDiffers):
		return ended{exitDifference, end}
	case i.stopping.stopped(end):
		return ended{signalCode(i.stopping.signal()), i.left(summary)}
	}
	return end
}

// left names the job that goes on without us.
func (i *importRun) left(s *importSummary) error {
	e := &pipeline.Error{Op: "import", Object: i.job.Name, Err: errors.New("stopped by a signal"), Hint: "fhirhose import"}
	if i.file != "" {
		e.Hint += " -c " + i.file
	}
	e.Hint += " goes on from here"
	for _, store := range s.Stores {
		for _, f := range store.Folders {
			switch {
			case f.Name == "" || f.over:
			case f.Job == "":
				e.Object, e.Err = path.Join(store.Tenant, f.Folder), fmt.Errorf("stopped by a signal; HealthLake may have been asked to start the job named %s, which then goes on", f.Name)
			default:
				e.Object, e.Err = path.Join(store.Tenant, f.Folder), fmt.Errorf("stopped by a signal; job %s goes on in HealthLake", f.Job)
			}
		}
	}
	return e
}
