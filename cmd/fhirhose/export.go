package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/tableexport"
)

func newExport(c *cli) *cobra.Command {
	var again bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Have DynamoDB export the table to S3, and wait for it",
		Long: `Has DynamoDB export the table source.dynamodb_export.table_arn to
source.dynamodb_export.export_to (a full export of this moment, in DynamoDB JSON),
and waits until it is whole. It costs no read capacity of the table, whose
point-in-time recovery must be on. All other verbs then know where the export lies:
the job file stays as it is. The moment that the export shows is recorded as the
watermark; what changes in the table later is not in it.

Run the same command again after any interruption: it takes the export up again and
starts no second one. A signal stops fhirhose at once, and not the export. On a
finished export it touches nothing.

It was tested against a simulation of DynamoDB, never against live DynamoDB.

Exit codes: 0 done, 5 try again later, 7 the export failed: mend the cause, then
--again; 2 settings, 10 the recorded export is of another table, 11 in use by
another, 12 not authorised, 130/143 stopped by a signal.`,
		Example: `  fhirhose iam -c clinic-a.yaml       # the permissions that it needs
  fhirhose check -c clinic-a.yaml     # whether they are there
  fhirhose export -c clinic-a.yaml
  fhirhose export -c clinic-a.yaml --again     # another export, if none of the last one was moved`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			if !job.Source.Folders.IsZero() {
				_, err := fmt.Fprintf(c.stdout, "job %s: nothing to export: it moves folders of the FHIR Works tool; go on with fhirhose move\n", job.Name)
				return err
			}
			if job.Source.Table.IsZero() {
				return usageError(errors.New("the job names no table to export"),
					"set source.dynamodb_export.table_arn and export_to instead of location; or go on with fhirhose move")
			}
			if again {
				return c.export(cmd.Context(), job, true)
			}
			return c.exportJob(cmd.Context(), job)
		},
	}
	addSettings(cmd)
	cmd.Flags().BoolVar(&again, "again", false, "start another export after one that has finished or failed, and of which nothing was moved")
	return cmd
}

// exportJob exports the table of a job that names one, and tells the job where the
// export lies.
func (c *cli) exportJob(ctx context.Context, job *jobfile.Job) error {
	if job.Source.Table.IsZero() {
		return nil
	}
	return c.export(ctx, job, false)
}

// export owns what an export holds as long as it is waited for: the lock of state.
func (c *cli) export(ctx context.Context, job *jobfile.Job, again bool) (err error) {
	log, closeLog, err := c.phaseLog(c.stderr, job, exportLog)
	if err != nil {
		return err
	}
	defer func() { err = closeLog(err) }()
	for _, warning := range job.Warnings {
		log.Warn(warning)
	}
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	lock, err := statedir.Take(job.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if again {
		if err := refuseMoved(job); err != nil {
			return err
		}
	}
	client, err := tableexport.Open(ctx, tableexport.Options{
		Region:  job.Source.Table.Region(),
		Waiting: func(why string) { log.Warn("trying again", "because", why) },
	})
	if err != nil {
		return err
	}
	record, end := tableexport.Run(ctx, client, exportRequest(job), tableexport.RunOptions{
		State: job.State, Again: again, Log: log, Pause: c.importPause,
	})
	if record != nil {
		c.note("export", summarizeExport(job.Name, record))
	}
	if end != nil {
		return c.exportEnded(job, record, end)
	}
	job.TakeExport(record.Bucket, record.Folder)
	return writeExport(c.stdout, job.Name, record, c.json)
}

// exportRequest is what the job asks of DynamoDB.
func exportRequest(job *jobfile.Job) tableexport.Request {
	t := job.Source.Table
	return tableexport.Request{Table: t.ARN, Bucket: t.ExportTo.Bucket, Prefix: t.ExportTo.Prefix, Owner: job.Source.Owner, KMSKey: t.KMSKey}
}

// findExport tells a job that names a table where its finished export lies. What
// is wrong with the record, `export` says.
func findExport(job *jobfile.Job) {
	if job.Source.Table.IsZero() {
		return
	}
	record, err := tableexport.ReadRecord(job.State)
	if err == nil && record != nil && record.Finished() && record.Is(exportRequest(job)) {
		job.TakeExport(record.Bucket, record.Folder)
	}
}

// refuseMoved keeps a job to the export that it has begun to move.
func refuseMoved(job *jobfile.Job) error {
	if _, err := os.Stat(filepath.Join(job.State, checkpointFile)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return &pipeline.Error{
		Op: "export again", Object: job.Name, Kind: pipeline.KindConfig,
		Err:  errors.New("the move of its last export has begun"),
		Hint: "begin again as a job of another name and state",
	}
}

// exportEnded says what is left of an export that did not come to its end.
func (c *cli) exportEnded(job *jobfile.Job, record *tableexport.Record, end error) error {
	if !c.stopping.stopped(end) {
		return end
	}
	e := &pipeline.Error{Op: "export", Object: job.Name, Err: errors.New("stopped by a signal; nothing was started"), Hint: "fhirhose export"}
	if c.file != "" {
		e.Hint += " -c " + c.file
	}
	e.Hint += " goes on from here"
	switch {
	case record == nil:
	case record.ARN == "":
		e.Err = errors.New("stopped by a signal; DynamoDB may have been asked to start the export, which then goes on")
	default:
		e.Err = fmt.Errorf("stopped by a signal; export %s goes on in DynamoDB", record.ARN)
	}
	return ended{signalCode(c.stopping.signal()), e}
}

// exportSummary is what `export --json` prints.
type exportSummary struct {
	Job        string    `json:"job"`
	Table      string    `json:"table"`  // ARN
	Export     string    `json:"export"` // ARN
	Status     string    `json:"status"`
	Location   string    `json:"location,omitempty"` // its folder, whole once Status is COMPLETED
	ExportTime time.Time `json:"export_time"`        // the moment that it shows
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended,omitzero"`
	Items      int64     `json:"items"`
	Billed     int64     `json:"billed_bytes"`
	Failure    string    `json:"failure,omitempty"`
}

func summarizeExport(job string, r *tableexport.Record) exportSummary {
	s := exportSummary{
		Job: job, Table: r.Table, Export: r.ARN, Status: r.Status, ExportTime: r.Time, Started: r.Started, Ended: r.Ended,
		Items: r.Items, Billed: r.Billed, Failure: r.Failure,
	}
	if r.ARN != "" {
		s.Location = r.Location().String()
	}
	return s
}

func writeExport(out io.Writer, job string, r *tableexport.Record, asJSON bool) error {
	s := summarizeExport(job, r)
	if asJSON {
		return json.NewEncoder(out).Encode(s)
	}
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	moment := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
	line("job %s: export %s", job, cmp.Or(s.Status, "not begun"))
	line("  table    %s", s.Table)
	line("  export   %s", cmp.Or(s.Export, "not known yet"))
	if s.Failure != "" {
		line("  failed   %s", s.Failure)
	}
	if !s.Started.IsZero() {
		line("  shows    the table of %s; later changes are not in it", moment(s.ExportTime))
	}
	if r.Finished() {
		line("  lies in  %s", s.Location)
		line("  holds    %s, %s billed; took %s", human.Plural(s.Items, "item"), human.Bytes(s.Billed), human.Duration(s.Ended.Sub(s.Started)))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
