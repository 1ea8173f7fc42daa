package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
)

// exportRig is a job that begins with a table: a simulation of DynamoDB over a
// bucket in memory.
type exportRig struct {
	*testing.T
	dir        string
	memory     *objecttest.Memory
	simulation *dynamodbtest.Simulation
	signals    chan os.Signal
	out, err   lockedBuffer // of the last run
}

const exportJobFile = `job: a
source: {binaries: none, s3: {path_style: true}, dynamodb_export: {table_arn: "` + dynamodbtest.TableARN + `", export_to: s3://bucket/exports}}
sink: {location: s3://bucket/out, s3: {path_style: true}}
limits: {memory: 128MiB}
http: {listen: ""}
`

// tableRows are those of the table: also one of a type that is in nobody's list, and
// one of a version that is longer than most.
var tableRows = []string{
	recordstest.CanaryRow(0), recordstest.CanaryRow(1), recordstest.CanaryRow(2, "Patient", "Zzyzx"),
	recordstest.CanaryRow(3, `"vid":{"N":"1"}`, `"vid":{"N":"1234567"}`),
}

func newExportRig(t *testing.T, traps dynamodbtest.Traps, change ...func(*dynamodbtest.Table)) *exportRig {
	t.Helper()
	r := &exportRig{T: t, dir: t.TempDir(), memory: objecttest.NewMemory(), signals: make(chan os.Signal, 2)}
	buckets := httptest.NewServer(r.memory)
	table := dynamodbtest.Table{ARN: dynamodbtest.TableARN, Write: func(dir, prefix string) (int64, int64, error) {
		s, err := generate.Export{Dir: dir, Prefix: prefix, Objects: [][]string{tableRows, nil}}.Write()
		return s.Items, s.Bytes, err
	}}
	for _, c := range change {
		c(&table)
	}
	r.simulation = dynamodbtest.New(dynamodbtest.Options{
		Traps: traps, Tables: []dynamodbtest.Table{table}, S3: healthlaketest.FromClient(s3.New(s3.Options{
			BaseEndpoint: &buckets.URL, Region: "us-east-1", UsePathStyle: true,
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), HTTPClient: buckets.Client(),
		})),
	})
	server := httptest.NewServer(r.simulation)
	t.Cleanup(func() {
		server.Close()
		buckets.Close()
	})
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": dynamodbtest.AccessKey, "AWS_SECRET_ACCESS_KEY": dynamodbtest.SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_DYNAMODB": server.URL, "AWS_ENDPOINT_URL_S3": buckets.URL,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	return r
}

// run runs a verb and checks how it ends, and that it tells no value and none of
// the server's words (I10).
func (r *exportRig) run(want int, args ...string) {
	r.Helper()
	file := filepath.Join(r.dir, "fhirhose.yaml")
	if err := os.WriteFile(file, []byte(exportJobFile), 0o600); err != nil {
		r.Fatal(err)
	}
	r.out.Reset()
	r.err.Reset()
	code := run(context.Background(), process{
		args: append(args, "-c", file, "--log-level", "debug"), stdin: strings.NewReader(""), stdout: &r.out, stderr: &r.err,
		setenv: os.Setenv, environ: os.Environ(), signals: r.signals, open: openMover, importPause: time.Millisecond,
	})
	if code != want {
		r.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, r.out.String(), r.err.String())
	}
	if said := r.out.String() + r.err.String(); recordstest.HoldsCanary([]byte(said)) || strings.Contains(said, dynamodbtest.ServerText) {
		r.Errorf("%v tells a value, or the server's words:\n%s", args, said)
	}
}

func (r *exportRig) says(words ...string) {
	r.Helper()
	for _, want := range words {
		if !strings.Contains(r.out.String()+r.err.String(), want) {
			r.Errorf("without %q:\n%s%s", want, r.out.String(), r.err.String())
		}
	}
}

// exports checks how many were started.
func (r *exportRig) exports(want int) {
	r.Helper()
	if got := r.simulation.Exports(); len(got) != want {
		r.Errorf("%d exports were started, want %d", len(got), want)
	}
}

// TestExport: a table is exported and moved by one job file, without anybody's
// cloned Glue job and with the moment that the export shows (WE11, WE12); types that
// nobody has listed and versions of any length are moved like all others (WE6, WE8).
func TestExport(t *testing.T) {
	r := newExportRig(t, dynamodbtest.Traps{Running: 20 * time.Millisecond})
	r.run(2, "move")
	r.says("state/export.json knows of none that is finished", "try: fhirhose export")
	r.run(2, "status")
	r.run(0, "export")
	r.says("job a: export COMPLETED", "lies in  s3://bucket/exports/AWSDynamoDB/", "holds    4 items", "later changes are not in it")
	r.run(0, "export", "--json")
	var s exportSummary
	if err := json.Unmarshal(r.out.Bytes(), &s); err != nil || s.Items != 4 || s.Status != "COMPLETED" || s.ExportTime.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
	r.exports(1)
	r.run(0, "move")
	for _, verb := range []string{"status", "report"} {
		r.run(0, verb)
		r.says(s.ExportTime.UTC().Format("exported 2006-01-02 15:04:05 UTC"))
	}
	for _, name := range []string{"migration_output.json", "v1-0/Zzyzx-v1-00000.ndjson", "v1234567-0/Patient-v1234567-00000.ndjson"} {
		if _, moved := r.memory.Objects()["out/a/"+name]; !moved {
			t.Errorf("%s was not moved", name)
		}
	}
	r.run(2, "export", "--again")
	r.says("the move of its last export has begun")
	r.run(0, "move") // a finished job, as before
	r.exports(1)
	r.run(2, "export", "--source.dynamodb_export.location=elsewhere")
	r.says("are both set")
	r.run(2, "export", "--source.dynamodb_export.location=elsewhere", "--source.dynamodb_export.table_arn=", "--source.dynamodb_export.export_to=")
	r.says("names no table to export")
	r.run(10, "export", "--source.dynamodb_export.export_to=s3://bucket/others")
	r.says("or to another place")
	r.run(2, "move", "--source.dynamodb_export.export_to=s3://bucket/others")
	r.says("knows of none that is finished")
}

// TestExportAgain: an export of which nothing was moved may be made anew.
func TestExportAgain(t *testing.T) {
	fail := dynamodbtest.Traps{Fail: func(n int) (string, string) {
		if n == 1 {
			return "S3AccessDenied", "Access denied for " + recordstest.Canary
		}
		return "", ""
	}}
	r := newExportRig(t, fail)
	for range 2 {
		r.run(7, "export")
		r.says("failed (S3AccessDenied: Access denied for ...", "fhirhose export --again")
	}
	r.run(0, "export", "--again")
	r.run(0, "export", "--again")
	r.exports(3)
	r.run(0, "move")
}

// TestExportStopped: a signal ends us and not the export, and says how to go on.
func TestExportStopped(t *testing.T) {
	for signal, want := range map[os.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		r := newExportRig(t, dynamodbtest.Traps{Running: time.Hour})
		r.simulation.SetTraps(func(traps *dynamodbtest.Traps) {
			traps.Fault = func(c dynamodbtest.Call) dynamodbtest.Fault {
				if c.Op == "DescribeExport" && c.N%3 == 2 {
					r.signals <- signal
				}
				return dynamodbtest.NoFault
			}
		})
		for range 2 {
			r.run(want, "export")
			r.says("export "+r.simulation.Exports()[0]+" goes on in DynamoDB", "try: fhirhose export -c "+filepath.Join(r.dir, "fhirhose.yaml"))
		}
		r.exports(1)
		r.run(0, "status")
		r.says("job a: export IN_PROGRESS", r.simulation.Exports()[0])
		r.run(2, "move")
		r.says("knows of none that is finished")
		trail, err := os.ReadFile(filepath.Join(r.dir, "state", "audit.ndjson"))
		if err != nil || !strings.Contains(string(trail), `"key":"export"`) {
			t.Errorf("the audit log does not name the export: %v", err)
		}
	}
}

// TestCheckTable: what keeps a table from being exported is named before, with the
// statement or the command that mends it, and nothing is started.
func TestCheckTable(t *testing.T) {
	deny := func(op string) dynamodbtest.Traps {
		return dynamodbtest.Traps{Fault: func(c dynamodbtest.Call) dynamodbtest.Fault {
			if c.Op == op {
				return dynamodbtest.Denied
			}
			return dynamodbtest.NoFault
		}}
	}
	f := func(traps dynamodbtest.Traps, want int, words string, change func(*exportRig, *dynamodbtest.Table), args ...string) {
		t.Helper()
		var table *dynamodbtest.Table
		r := newExportRig(t, traps, func(it *dynamodbtest.Table) {
			table = it
			change(nil, table)
		})
		change(r, table)
		r.run(want, append([]string{"check"}, args...)...)
		r.says(words)
		r.exports(0)
	}
	nothing := func(*exportRig, *dynamodbtest.Table) {}
	region := func(name string) func(*exportRig, *dynamodbtest.Table) {
		return func(r *exportRig, _ *dynamodbtest.Table) {
			if r != nil {
				r.memory.Configure("region", name)
			}
		}
	}
	const key = "--source.dynamodb_export.kms_key=arn:aws:kms:us-east-1:123456789012:key/1"
	f(dynamodbtest.Traps{}, 0, "job a: ready to export", nothing)
	f(dynamodbtest.Traps{}, 0, "proved  this identity may list exports", nothing)
	for _, statement := range []string{
		`{"Sid":"ExportTable","Effect":"Allow","Action":["dynamodb:ExportTableToPointInTime"`, `{"Sid":"ExportToS3","Effect":"Allow","Action":["s3:PutObject"`,
		`{"Sid":"ExportKey","Effect":"Allow","Action":["kms:GenerateDataKey"`,
	} {
		f(dynamodbtest.Traps{}, 0, "unseen  whether this identity may export, which nothing proves but an export: it needs "+statement, nothing, key)
	}
	f(dynamodbtest.Traps{}, 0, "proved  the bucket of the source blocks public access", nothing)
	f(dynamodbtest.Traps{}, 0, "the bucket of the source does not block all public access, and will hold PHI: aws s3api put-public-access-block --bucket bucket",
		func(r *exportRig, _ *dynamodbtest.Table) {
			if r != nil {
				r.memory.Configure("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration")
			}
		})
	f(dynamodbtest.Traps{}, 0, "proved  the key of the export lies in the region of its bucket, us-east-1", nothing, key)
	f(dynamodbtest.Traps{}, 0, "proved  point-in-time recovery of the table is on", nothing, key)
	f(dynamodbtest.Traps{}, 2, "PointInTimeRecoveryEnabled=true", func(_ *exportRig, table *dynamodbtest.Table) { table.NoRecovery = true })
	f(dynamodbtest.Traps{}, 2, "there is no such table", func(_ *exportRig, table *dynamodbtest.Table) { table.ARN += "x" })
	f(deny("DescribeContinuousBackups"), 12,
		`{"Effect":"Allow","Action":"dynamodb:DescribeContinuousBackups","Resource":"`+dynamodbtest.TableARN+`"}`, nothing)
	f(deny("ListExports"), 12, `{"Effect":"Allow","Action":"dynamodb:ListExports","Resource":"*"}`, nothing)
	f(dynamodbtest.Traps{}, 2, "is in us-east-1, and the bucket of export_to in eu-west-1", region("eu-west-1"), key, "--source.region=eu-west-1")
	f(dynamodbtest.Traps{}, 0, `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket"}`, region("AccessDenied"))
}

// TestIAM: the policies come without a network, as text and as JSON.
func TestIAM(t *testing.T) {
	r := newExportRig(t, dynamodbtest.Traps{})
	r.run(0, "iam")
	r.says("# ExportTable ", `"`+dynamodbtest.TableARN+`/export/*"`, "# Notes")
	r.run(0, "iam", "--json")
	var p struct {
		Operator, Clean struct{ Statement []struct{ Sid string } }
		Notes           []string
	}
	if err := json.Unmarshal(r.out.Bytes(), &p); err != nil || len(p.Operator.Statement) == 0 || len(p.Clean.Statement) == 0 || len(p.Notes) == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if calls := r.simulation.Calls(); len(calls) != 0 {
		t.Errorf("%v", calls)
	}
}
