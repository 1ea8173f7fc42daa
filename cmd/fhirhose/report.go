package main

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// reportFlags are the flags of report alone.
type reportFlags struct {
	html    string
	withIDs bool
}

func newReport(c *cli) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Say what became of every record, and whether to cut over",
		Long: `Says what became of every record: totals that balance per type, what was
filtered or quarantined and why, folders, resources whose fate is unsettled, and
where to look next.

Of a job with a target the first line is SAFE TO CUT OVER: yes, or no with each
point that stands against it and the command that mends it. It is yes only if the
move, the import and the deletes are finished, nothing was quarantined or refused,
and a verification over all resources (mode export or full) has passed since.

It works beside a running process, where it covers what is committed so far, and
after its end. While a process holds the checkpoint, nothing is known of import and
verification, and it says so.

--html writes the same as one file without scripts, to print and to file: who ran
what with which settings, totals, folders and import jobs, verification, the head
of the audit log. It holds no PHI, unless --with-ids appends the ids of resources
that need attention. docs/report.md has more.

Exit codes: 0 yes; of a job without a target, the records balance. 4 no; the records
do not balance.`,
		Example: `  fhirhose report
  fhirhose report -c clinic-a.yaml --json | jq .totals
  fhirhose report --html clinic-a.html && echo "safe to cut over"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.report(job, f)
		},
	}
	addSettings(cmd)
	cmd.Flags().StringVar(&f.html, "html", "", "also write the report to this file, as one HTML page")
	cmd.Flags().BoolVar(&f.withIDs, "with-ids", false, "append the ids of resources that need attention: the report is then PHI")
	return cmd
}

func (c *cli) report(job *jobfile.Job, f reportFlags) error {
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
	context.File = c.file
	facts, err := factsOf(job, s, context)
	if err != nil {
		return err
	}
	if f.withIDs {
		if err := addFindings(job, &facts); err != nil {
			return err
		}
	}
	document := report.Write(s, context, facts)
	if f.html != "" {
		if err := writeHTML(f.html, document); err != nil {
			return err
		}
	}
	if err := c.writeReport(document); err != nil {
		return err
	}
	return endWith(document.ExitCode())
}

func (c *cli) writeReport(document *report.Document) error {
	if !c.json {
		return document.Text(c.stdout)
	}
	out := json.NewEncoder(c.stdout)
	out.SetIndent("", "  ")
	return out.Encode(document)
}

// writeHTML puts the page in place at once, readable by its owner alone.
func writeHTML(path string, document *report.Document) error {
	var page bytes.Buffer
	if err := document.HTML(&page); err != nil {
		return err
	}
	if err := durable.WriteFile(path, page.Bytes()); err != nil {
		return &pipeline.Error{Op: "write report", Object: path, Kind: pipeline.KindConfig, Err: err, Hint: "name a file in a directory that you may write to"}
	}
	return nil
}
