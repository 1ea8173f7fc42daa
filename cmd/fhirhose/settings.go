package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
)

// addSettings gives a verb one flag for each key of the job file. They are
// hidden: thirty lines would bury the verb's own; `help settings` lists them.
func addSettings(cmd *cobra.Command) {
	for _, s := range jobfile.Settings() {
		cmd.Flags().String(s.Key, "", s.Help)
		_ = cmd.Flags().MarkHidden(s.Key)
	}
	cmd.Long += `

Each key of the job file is also a flag, e.g. --sink.location=out, and an
environment variable, e.g. FHIRHOSE_SINK_LOCATION: fhirhose help settings`
}

// load reads the job as file, environment and this verb's flags describe it. With
// it the audit log of a verb begins that has one.
func (c *cli) load(cmd *cobra.Command) (*jobfile.Job, error) {
	given := map[string]string{}
	for _, s := range jobfile.Settings() {
		if flag := cmd.Flags().Lookup(s.Key); flag.Changed {
			given[s.Key] = flag.Value.String()
		}
	}
	job, err := jobfile.Load(jobfile.Input{File: c.file, Flags: given, Environ: c.environ, Setenv: c.setenv})
	if err != nil {
		return nil, err
	}
	findExport(job)
	return job, c.beginAudit(cmd, job)
}

// newSettingsTopic is `fhirhose help settings`.
func newSettingsTopic() *cobra.Command {
	return &cobra.Command{Use: "settings", Short: "Every key of the job file", Long: settingsText()}
}

func settingsText() string {
	var b strings.Builder
	b.WriteString(`The settings of a job, as keys of the job file. Each is also a flag
(--sink.location=out) and an environment variable (FHIRHOSE_SINK_LOCATION).
A flag overrides the environment, the environment overrides the file. A file
.env beside the job file counts where the environment has no such variable.
Relative paths are relative to the job file. Sizes: 512MB = 512,000,000 bytes,
512MiB = 536,870,912 bytes.

A small job file (source.binaries can be left out if the table has no Binaries):

  job: clinic-a
  source:
    dynamodb_export:
      location: s3://bulk-export/AWSDynamoDB/01693685827463-2d8752fd
    binaries: s3://fhirbinarybucket
  sink:
    location: s3://export-bucket

Where neither flag, environment nor file says anything, the variables of the
FHIR Works migration tool are understood: EXPORT_BUCKET_URI or
EXPORT_BUCKET_NAME (sink.location), API_AWS_REGION (both regions),
MIGRATION_TENANT_ID (source.tenant).

AWS credentials and endpoints come from the AWS SDK's own places (environment,
.env, ~/.aws, the machine's role), never from a flag or the job file.

Every key, with its default:

`)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range jobfile.Settings() {
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Key, s.Default, s.Help)
	}
	_ = w.Flush()
	return b.String()
}
