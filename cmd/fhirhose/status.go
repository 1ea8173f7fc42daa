package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/tableexport"
)

func newStatus(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how far a job is, and whether a process works on it",
		Long: `Says how far a job is, whether a process works on it, and whether it gets on.
It reads ` + metrics.StatusFile + ` in the state directory, which each cut renews, so it works
beside a running process and after its death, and touches nothing. Before the move
of a table it says what is known of its export.`,
		Example: `  fhirhose status
  fhirhose status -c clinic-a.yaml --json
  watch -n 10 fhirhose status`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd) },
	}
	addSettings(cmd)
	return cmd
}

// statusJSON is what `status --json` prints.
type statusJSON struct {
	Running bool            `json:"running"`
	PID     string          `json:"pid,omitempty"`
	Status  *metrics.Status `json:"status"` // null before the first cut
}

func (c *cli) status(cmd *cobra.Command) error {
	job, err := c.load(cmd)
	if err != nil {
		return err
	}
	s, context, err := lastStatus(job)
	if record := unmoved(job, err); record != nil {
		return writeExport(c.stdout, job.Name, record, c.json)
	}
	if err != nil {
		return err
	}
	if c.json {
		return json.NewEncoder(c.stdout).Encode(statusJSON{context.Running, context.PID, s})
	}
	if s == nil {
		_, err = fmt.Fprintf(c.stdout, "job %s: process %s has started; nothing is committed yet\n", job.Name, context.PID)
		return err
	}
	return report.Brief(c.stdout, s, context, time.Now())
}

// unmoved is the export of a job whose move has left no status yet; nil if there is
// none.
func unmoved(job *jobfile.Job, err error) *tableexport.Record {
	if pipeline.KindOf(err) != pipeline.KindConfig || job.Source.Table.IsZero() {
		return nil
	}
	record, err := tableexport.ReadRecord(job.State)
	if err != nil {
		return nil // `export` says why
	}
	return record
}

// lastStatus reads the newest status of a job. It is nil while a process is at
// work that has not come to its first cut.
func lastStatus(job *jobfile.Job) (*metrics.Status, report.Context, error) {
	context := reportContext(job)
	context.PID, context.Running = statedir.Holder(job.State)
	s, err := metrics.ReadStatus(job.State)
	switch {
	case err == nil:
		return s, context, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, context, &pipeline.Error{
			Op: "read status", Object: filepath.Join(job.State, metrics.StatusFile), Kind: pipeline.KindOther, Err: err,
			Hint: "`fhirhose move` renews it at its next cut",
		}
	case context.Running:
		return nil, context, nil
	default:
		return nil, context, &pipeline.Error{
			Op: "read status", Object: job.State, Kind: pipeline.KindConfig,
			Err:  errors.New("no move of this job has started here"),
			Hint: "fhirhose check, then fhirhose move; or name the right job file with -c",
		}
	}
}

func reportContext(job *jobfile.Job) report.Context {
	c := report.Context{State: job.State, Output: job.Output().String()}
	if job.AllTenants() {
		c.Tenant = job.OutputOf("<tenant>").String()
	}
	return c
}
