package main

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
)

func newReport(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Say what became of every record",
		Long: `Says what became of every record: totals that balance per type, what was
filtered or quarantined and why, folders, resources whose fate is unsettled, and
where to look next. It works beside a running process, where it covers what is
committed so far, and after its end. It exits 4 if the totals do not balance.`,
		Example: `  fhirhose report
  fhirhose report -c clinic-a.yaml --json | jq .totals`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.report(job)
		},
	}
	addSettings(cmd)
	return cmd
}

func (c *cli) report(job *jobfile.Job) error {
	s, context, err := lastStatus(job)
	if err != nil {
		return err
	}
	if s == nil {
		return &pipeline.Error{
			Op: "report on", Object: job.Name, Kind: pipeline.KindRetryLater,
			Err: errors.New("nothing is committed yet"), Hint: "again in a few seconds",
		}
	}
	if err := c.writeReport(s, context); err != nil {
		return err
	}
	return endWith(report.Summarize(s, context).ExitCode())
}

func (c *cli) writeReport(s *metrics.Status, context report.Context) error {
	if !c.json {
		return report.Text(c.stdout, s, context)
	}
	out := json.NewEncoder(c.stdout)
	out.SetIndent("", "  ")
	return out.Encode(report.Summarize(s, context))
}
