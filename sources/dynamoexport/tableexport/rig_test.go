package tableexport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/tableexport"
)

// directory is an S3 whose buckets are the directories in it.
type directory string

func (d directory) Put(_ context.Context, bucket, key string, content []byte) error {
	path := filepath.Join(string(d), bucket, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// table is a table of three rows in two data files.
var table = dynamodbtest.Table{
	ARN: dynamodbtest.TableARN,
	Write: func(dir, prefix string) (int64, int64, error) {
		s, err := generate.Export{Dir: dir, Prefix: prefix, Objects: [][]string{{`{"Item":{}}`, `{"Item":{}}`}, {`{"Item":{}}`}, nil}}.Write()
		return s.Items, s.Bytes, err
	},
}

var request = tableexport.Request{Table: dynamodbtest.TableARN, Bucket: "bucket", Prefix: "exports/a", KMSKey: "key", Owner: "123456789012"}

// rig is a simulation, reached without a network, its buckets, and a state.
type rig struct {
	*testing.T
	simulation *dynamodbtest.Simulation
	dir        string // of the buckets
	state      string
	log        bytes.Buffer
	waits      []string // why calls were made again
}

func bubble(t *testing.T, o dynamodbtest.Options, f func(r *rig)) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": dynamodbtest.AccessKey, "AWS_SECRET_ACCESS_KEY": dynamodbtest.SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_ENDPOINT_URL_DYNAMODB": "http://dynamodb.example", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o.S3 = directory(dir)
		if o.Tables == nil {
			o.Tables = []dynamodbtest.Table{table}
		}
		f(&rig{T: t, simulation: dynamodbtest.New(o), dir: dir, state: t.TempDir()})
	})
}

// run runs an export to its end.
func (r *rig) run(change ...func(*tableexport.Request, *tableexport.RunOptions)) (*tableexport.Record, error) {
	return r.runIn(r.Context(), change...)
}

func (r *rig) runIn(ctx context.Context, change ...func(*tableexport.Request, *tableexport.RunOptions)) (*tableexport.Record, error) {
	r.Helper()
	client, err := tableexport.Open(ctx, tableexport.Options{
		Region: "us-east-1", HTTPClient: &http.Client{Transport: r.simulation.Transport()},
		Waiting: func(why string) { r.waits = append(r.waits, why) },
	})
	if err != nil {
		r.Fatal(err)
	}
	asked, o := request, tableexport.RunOptions{State: r.state, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
	for _, c := range change {
		c(&asked, &o)
	}
	record, err := tableexport.Run(ctx, client, asked, o)
	said := r.log.String() + fmt.Sprint(err, pipeline.HintOf(err), r.waits)
	if strings.Contains(said, dynamodbtest.ServerText) {
		r.Errorf("the server's words were repeated: %s", said)
	}
	return record, err
}

// ends runs an export that must succeed.
func (r *rig) ends() *tableexport.Record {
	r.Helper()
	record, err := r.run()
	if err != nil {
		r.Fatal(err)
	}
	if !record.Finished() || record.Items != 3 {
		r.Errorf("%+v", record)
	}
	return record
}

// exports checks how many were started.
func (r *rig) exports(want int) {
	r.Helper()
	if got := r.simulation.Exports(); len(got) != want {
		r.Errorf("%d exports were started, want %d: %v", len(got), want, got)
	}
}

func (r *rig) fails(err error, kind pipeline.Kind, words string) {
	r.Helper()
	e, ok := errors.AsType[*pipeline.Error](err)
	if said := fmt.Sprint(err, " ", pipeline.HintOf(err)); !ok || e.Kind != kind || !strings.Contains(said, words) {
		r.Errorf("%q is not of kind %d with %q", said, kind, words)
	}
}

func again(_ *tableexport.Request, o *tableexport.RunOptions) { o.Again = true }

// once makes the n-th call of an operation fail.
func once(op string, n int, with dynamodbtest.Fault) func(dynamodbtest.Call) dynamodbtest.Fault {
	return func(c dynamodbtest.Call) dynamodbtest.Fault {
		if c.Op == op && c.N == n {
			return with
		}
		return dynamodbtest.NoFault
	}
}

// within cancels the run after a while.
func (r *rig) within(d time.Duration, change ...func(*tableexport.Request, *tableexport.RunOptions)) (*tableexport.Record, error) {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	return r.runIn(ctx, change...)
}
