package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/iam"
)

func newIAM(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "iam",
		Short: "Print the policies that a job needs",
		Long: `Prints the IAM policies of this job: of the identity that runs fhirhose, of the
role that HealthLake assumes, whom that role trusts, and of who may remove copies
afterwards. They name the job's own table, buckets, prefixes, keys and data stores,
and each statement says what it is for. It works offline, from the job file alone:
account ids are those of the ARNs in it. What it cannot know stands as REGION or
ACCOUNT_ID.`,
		Example: `  fhirhose iam
  fhirhose iam --json | jq .operator > operator-policy.json
  fhirhose iam --json | jq .data_access_role_trust > trust-policy.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			policies := iam.For(job, c.region())
			if !c.json {
				return policies.Text(c.stdout)
			}
			out := json.NewEncoder(c.stdout)
			out.SetIndent("", "  ")
			out.SetEscapeHTML(false)
			return out.Encode(policies)
		},
	}
	addSettings(cmd)
	return cmd
}

// region is that of the environment.
func (c *cli) region() (region string) {
	for _, pair := range c.environ {
		name, value, _ := strings.Cut(pair, "=")
		if value != "" && (name == "AWS_REGION" || name == "AWS_DEFAULT_REGION" && region == "") {
			region = value
		}
	}
	return region
}
