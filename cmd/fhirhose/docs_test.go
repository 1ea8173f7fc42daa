package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/pipeline"
)

var update = flag.Bool("update", false, "rewrite docs/job-file.md")

// TestJobFileDocument keeps docs/job-file.md what the code says.
func TestJobFileDocument(t *testing.T) {
	const path = "../../docs/job-file.md"
	want := jobFileDocument()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says; run: go test ./cmd/fhirhose -run JobFileDocument -update", path)
	}
}

func jobFileDocument() string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	b.WriteString(`# The job file

One YAML file describes one job; ` + "`-c FILE`" + ` names it, the default is ` + "`fhirhose.yaml`" + `. An unknown key
is an error with its line, its column and the nearest known key. Relative paths are relative to the
file. Sizes take decimal and binary units: ` + "`512MB`" + ` is 512,000,000 bytes, ` + "`512MiB`" + ` 536,870,912.

Each key is also a flag and an environment variable. A value counts in this order:

1. flag: ` + "`--sink.location=out`" + `
2. environment: ` + "`FHIRHOSE_SINK_LOCATION=out`" + `; an empty variable is as good as none
3. the same variables in a file ` + "`.env`" + ` beside the job file
4. the job file
5. the variables of the FHIR Works migration tool, in the environment or ` + "`.env`" + `: ` + "`EXPORT_BUCKET_URI`" + `
   (it may end in ` + "`/<tenant>`" + `) or ` + "`EXPORT_BUCKET_NAME`" + ` for sink.location, ` + "`API_AWS_REGION`" + ` for both
   regions, ` + "`MIGRATION_TENANT_ID`" + ` for source.tenant, ` + "`BINARY_BUCKET_NAME`" + ` for source.binaries
6. the default

AWS credentials and endpoints come from the AWS SDK's own places, and from ` + "`.env`" + ` where it has
variables that begin with ` + "`AWS_`" + `; never from a flag or the job file.

A SMART on FHIR data store takes bearer tokens at its REST API. They are asked for with
` + "`HEALTHLAKE_SMART_CLIENT_ID` and `HEALTHLAKE_SMART_CLIENT_SECRET`" + `, from the environment or ` + "`.env`" + ` alone: client
credentials of a client with the scope ` + "`system/*.*`" + ` (another one: ` + "`HEALTHLAKE_SMART_SCOPE`" + `; an audience:
` + "`HEALTHLAKE_SMART_AUDIENCE`" + `). The store's SMART configuration names the token endpoint, unless
` + "`HEALTHLAKE_SMART_OAUTH2_API_ENDPOINT`" + ` does, below which ` + "`/token`" + ` is called. Jobs are started with AWS credentials all the same.

` + "`fhirhose verify --against source`" + ` calls the live FHIR Works API with that tool's own variables, from the environment or ` + "`.env`" + `
alone: ` + "`API_URL`, `API_KEY`, `COGNITO_CLIENT_ID`, `COGNITO_USERNAME`, `COGNITO_PASSWORD`" + ` and ` + "`API_AWS_REGION`" + `; or, where
` + "`SMART_SERVICE_URL`" + ` is set, ` + "`SMART_API_KEY`, `SMART_OAUTH2_API_ENDPOINT`, `SMART_CLIENT_ID`, `SMART_CLIENT_SECRET`" + ` with
` + "`SMART_AUTH_USERNAME` and `SMART_AUTH_PASSWORD`" + `. Without a user name they are client credentials, with the audience ` + "`SMART_AUDIENCE`" + `.

## Keys

| key | default | meaning |
|---|---|---|
`)
	for _, s := range jobfile.Settings() {
		line("| `%s` | %s | %s |", s.Key, code(s.Default), s.Help)
	}
	b.WriteString(`
What stands under ` + "`layout`" + ` and ` + "`source`" + ` shapes the output: it is fixed at the job's first start. What
stands under ` + "`limits`" + ` never changes a byte of it, nor does what stands under ` + "`target`" + `, which ` + "`fhirhose import`" + ` alone asks for.

## Binaries

The content of a row of type Binary is an object of another bucket, ` + "`[<tenant>/]<id>_<version>.<extension>`" + `.
A job must say where that is, or ` + "`source.binaries: none`" + `; otherwise ` + "`fhirhose move`" + ` stops at the first such row.
The bucket shares region, owner and switches with that of the export. It is listed once, at the start; nothing
should write there while the job runs. It needs ` + "`s3:ListBucket`, `s3:GetObject`" + ` and, where the objects are encrypted,
` + "`kms:Decrypt`" + `; with ` + "`s3:ListBucketVersions` and `s3:GetObjectVersion`" + ` what was deleted can be recovered: FHIR Works
deletes by prefix, so that deleting ` + "`abc`" + ` also takes the object of ` + "`abcd`" + `. Contents of rows that live are always
looked for among noncurrent objects, those of DELETED rows only with ` + "`source.recover_deleted: true`" + `; without its
object a DELETED row is written without data. Half of ` + "`limits.spool`" + ` is for contents, of which the largest must fit.

Records never wait for a slow bucket. Until its content is written, a Binary row waits in ` + "`state`" + `: its line of the
export, and about 100 bytes. No setting bounds that, and ` + "`limits.spool`" + ` does not hold it; the table bounds it. At worst
all Binary rows wait there, and ` + "`fhirhose check`" + ` counts them so among the disk that ` + "`state`" + ` needs. What is written is
given back in pieces of 64 MiB, as it is committed; ` + "`fhirhose_binaries_waiting_bytes`" + ` and ` + "`fhirhose_state_free_bytes`" + ` show both.
When the disk of ` + "`state`" + ` is full the job ends with exit code 5, and what is committed stays so: make room, and run
the same command again.

## Log files

Log lines go to stderr, as ` + "`--log-level` and `--log-format`" + ` say. With ` + "`log.dir`" + ` each run also gets a file of its own there (0600),
with the same lines and, as its last, how the run ended. Like stderr they hold no PHI. The names are those of the
FHIR Works migration tool, for whoever collects them: ` + "`export_output_<ms>.log`" + ` of ` + "`export` and `move`, `import_output_<ms>.log`" + ` of
` + "`import`, `import_verification_<ms>.log` of `verify`" + `; the number is the start of the run in milliseconds since 1970. A ` + "`move`" + ` that fetches
contents of Binaries also leaves ` + "`binary_conversion_output_<ms>.log`" + `: how far they are, each minute and at the end.

## Reasons

Why a record was not written. A filtered record was left out because the job says so; a quarantined
one could not be moved, and lies in ` + "`_fhirhose/quarantine-*.ndjson`" + ` beside the output.

| reason | becomes | meaning |
|---|---|---|
`)
	for _, reason := range pipeline.Reasons() {
		line("| `%s` | %s | %s |", reason, reason.Outcome(), report.Meaning(reason.String()))
	}
	b.WriteString("\n## Exit codes\n\n| code | meaning |\n|---|---|\n")
	for _, row := range exitMeanings {
		line("| %s | %s |", row[0], row[1])
	}
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

var exitMeanings = [][2]string{
	{"0", "done"},
	{"1", "other"},
	{"2", "usage or settings"},
	{"3", "done, with quarantine: migration_output.json is written; import: records were quarantined, or the target has refused resources"},
	{"4", "the records do not add up, the target counts other than we, or verification found a difference"},
	{"5", "try again later: network, throttling, disk full"},
	{"7", "fatal: do not retry before a repair"},
	{"10", "the checkpoint is unreadable or belongs to another job"},
	{"11", "state or sink is in use by another process or run"},
	{"12", "not authorised"},
	{"130, 143", "stopped by SIGINT or SIGTERM"},
}
