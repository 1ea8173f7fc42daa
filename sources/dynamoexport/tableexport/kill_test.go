package tableexport_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/tableexport"
)

// childVariable names the state directory of a test binary that exports, and exits.
const childVariable = "FHIRHOSE_TABLEEXPORT_CHILD"

func TestMain(m *testing.M) {
	state := os.Getenv(childVariable)
	if state == "" {
		goleak.VerifyTestMain(m)
		return
	}
	ctx := context.Background()
	client, err := tableexport.Open(ctx, tableexport.Options{Region: "us-east-1"})
	if err == nil {
		_, err = tableexport.Run(ctx, client, request, tableexport.RunOptions{State: state, Log: slog.New(slog.DiscardHandler), Pause: time.Millisecond})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Processes that are killed around the call start one export.
func TestKilled(t *testing.T) {
	around := 0 // kills with the call under way
	for range 2 {
		around += killed(t)
	}
	if around == 0 {
		t.Error("no kill came around the call")
	}
}

func killed(t *testing.T) (around int) {
	state := t.TempDir()
	simulation := dynamodbtest.New(dynamodbtest.Options{
		S3: directory(t.TempDir()), Tables: []dynamodbtest.Table{table},
		Traps: dynamodbtest.Traps{
			Running: 200 * time.Millisecond, ListLag: rand.N(time.Second),
			Latency: func(c dynamodbtest.Call) time.Duration {
				if c.Op == "ExportTableToPointInTime" {
					return 500 * time.Millisecond // far longer than two lives differ
				}
				return 0
			},
		},
	})
	server := httptest.NewServer(simulation)
	defer server.Close()
	for kills := 0; ; kills++ {
		// Each lives longer than the one before, so that it ends on a slow machine too.
		life := 5*time.Millisecond + rand.N(60*time.Millisecond) + time.Duration(kills*kills)*8*time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), life)
		child := exec.CommandContext(ctx, os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+state, "AWS_ENDPOINT_URL_DYNAMODB="+server.URL,
			"AWS_ACCESS_KEY_ID="+dynamodbtest.AccessKey, "AWS_SECRET_ACCESS_KEY="+dynamodbtest.SecretKey, "AWS_SESSION_TOKEN=",
			"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PROFILE=")
		said, err := child.CombinedOutput()
		dead := ctx.Err() != nil
		cancel()
		record, wrong := tableexport.ReadRecord(state)
		if wrong != nil {
			t.Fatal(wrong)
		}
		if n := len(simulation.Exports()); n > 1 {
			t.Fatalf("%d exports were started", n)
		}
		if err == nil {
			if !record.Finished() {
				t.Errorf("%+v", record)
			}
			t.Logf("%d kills, %d around the call", kills, around)
			return around
		}
		failed, ended := errors.AsType[*exec.ExitError](err)
		if !dead || ended && failed.ExitCode() >= 0 { // it may have been dead before it began
			t.Fatalf("%v: %s", err, said)
		}
		if record != nil && record.ARN == "" {
			around++
		}
	}
}
