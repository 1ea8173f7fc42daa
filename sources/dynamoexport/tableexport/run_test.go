package tableexport_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/tableexport"
)

// An export of two days is waited for with growing intervals, through throttling,
// server failures, lost and truncated answers, and is one that can be read (WE1, WE11,
// WE12).
func TestTwoDays(t *testing.T) {
	traps := dynamodbtest.Traps{
		Running: 48 * time.Hour, ThrottleEvery: 7, SeeLag: 2 * time.Minute,
		Fault: func(c dynamodbtest.Call) dynamodbtest.Fault {
			switch {
			case c.N%11 == 0:
				return dynamodbtest.ServerError
			case c.N%13 == 0:
				return dynamodbtest.Reset
			case c.N%17 == 0:
				return dynamodbtest.Lost
			case c.N%19 == 0:
				return dynamodbtest.Truncated
			}
			return dynamodbtest.NoFault
		},
	}
	bubble(t, dynamodbtest.Options{Traps: traps}, func(r *rig) {
		began := time.Now()
		record := r.ends()
		r.exports(1)
		if took := time.Since(began); took < 48*time.Hour || took > 48*time.Hour+10*time.Minute {
			r.Errorf("it took %v", took)
		}
		if n := r.simulation.Calls()["DescribeExport"]; n > 48*12*2 || n < 48*10 {
			r.Errorf("%d questions", n)
		}
		if !record.Time.Equal(began.Truncate(time.Second)) {
			r.Errorf("the watermark is %v", record.Time)
		}
		source, err := dynamoexport.Open(r.Context(), dynamoexport.Options{
			Location: filepath.Join(r.dir, record.Bucket, record.Folder), StateDir: r.state,
		})
		if err != nil {
			r.Fatal(err)
		}
		if n := len(source.Objects()); n != 3 || !source.ExportTime().Equal(record.Time) {
			r.Errorf("%d objects of %v", n, source.ExportTime())
		}
		if !strings.Contains(r.log.String(), "exporting") {
			r.Error("nothing was said of the wait")
		}
		for _, why := range []string{"too many requests, or too many exports at the same time", "the server failed", "the connection failed"} {
			if !slices.Contains(r.waits, why) {
				r.Errorf("nobody was told that %s", why)
			}
		}
		calls := r.simulation.Calls()["DescribeExport"]
		r.ends() // a finished export is not asked after again
		if n := r.simulation.Calls()["DescribeExport"]; n != calls {
			r.Errorf("%d questions about a finished export", n-calls)
		}
	})
}

func lostStart(c dynamodbtest.Call) dynamodbtest.Fault {
	if c.Op == "ExportTableToPointInTime" {
		return dynamodbtest.Lost
	}
	return dynamodbtest.NoFault
}

// Whoever dies without an answer finds the export that he has started: by its
// token in the list, or by asking again while the list lags behind.
func TestLostAnswer(t *testing.T) {
	f := func(name string, traps dynamodbtest.Traps, later time.Duration) {
		t.Run(name, func(t *testing.T) {
			traps.Running = 20 * time.Hour
			traps.Fault = lostStart
			bubble(t, dynamodbtest.Options{Traps: traps}, func(r *rig) {
				_, err := r.run()
				r.fails(err, pipeline.KindRetryLater, "the connection failed")
				r.exports(1)
				record, err := tableexport.ReadRecord(r.state)
				if err != nil || record.Token == "" || record.ARN != "" {
					r.Fatalf("%+v, %v", record, err)
				}
				time.Sleep(later)
				r.simulation.SetTraps(func(traps *dynamodbtest.Traps) { traps.Fault = nil })
				r.ends()
				r.exports(1)
			})
		})
	}
	f("soon", dynamodbtest.Traps{}, 0)
	f("before lists show it", dynamodbtest.Traps{ListLag: 2 * time.Hour}, time.Hour)
	f("after the token's life", dynamodbtest.Traps{ListLag: time.Hour}, 30*time.Hour)
}

// What the record does not tell is asked once more with other settings: a token
// that was heard conflicts, one that was not starts the only export.
func TestOtherSettings(t *testing.T) {
	other := func(q *tableexport.Request, _ *tableexport.RunOptions) { q.Prefix = "exports/b" }
	bubble(t, dynamodbtest.Options{Traps: dynamodbtest.Traps{Fault: once("ExportTableToPointInTime", 1, dynamodbtest.Denied)}}, func(r *rig) {
		_, err := r.run()
		r.fails(err, pipeline.KindAuth, `{"Effect":"Allow","Action":"dynamodb:ExportTableToPointInTime","Resource":"`+dynamodbtest.TableARN+`"}`)
		r.exports(0)
		record, err := r.run(other)
		if err != nil || !strings.HasPrefix(record.Folder, "exports/b/AWSDynamoDB/") {
			r.Errorf("%+v, %v", record, err)
		}
		_, err = r.run()
		r.fails(err, pipeline.KindCheckpoint, "to another place")
		r.exports(1)
	})
	lost := dynamodbtest.Traps{ListLag: time.Hour, Fault: func(c dynamodbtest.Call) dynamodbtest.Fault {
		if c.Op == "ExportTableToPointInTime" && c.N < 30 {
			return dynamodbtest.Lost
		}
		return dynamodbtest.NoFault
	}}
	listed := lost
	listed.ListLag = 0
	bubble(t, dynamodbtest.Options{Traps: listed}, func(r *rig) {
		_, err := r.within(time.Second)
		if err == nil {
			r.Fatal("it was not lost")
		}
		_, err = r.run(other)
		r.fails(err, pipeline.KindCheckpoint, "to another place")
		record := r.ends()
		if record.Request != request {
			r.Errorf("%+v", record.Request)
		}
		r.exports(1)
	})
	bubble(t, dynamodbtest.Options{Traps: lost}, func(r *rig) {
		_, err := r.within(time.Second)
		if err == nil {
			r.Fatal("it was not lost")
		}
		r.simulation.SetTraps(func(traps *dynamodbtest.Traps) { traps.Fault = nil })
		_, err = r.run(other)
		r.fails(err, pipeline.KindFatal, "conflicts")
		time.Sleep(2 * time.Hour) // the list shows it now
		_, err = r.run(other)
		r.fails(err, pipeline.KindCheckpoint, "to another place")
		r.ends()
		r.exports(1)
	})
}

// A signal ends the wait alone, and the next run takes it up.
func TestStopped(t *testing.T) {
	bubble(t, dynamodbtest.Options{Traps: dynamodbtest.Traps{Running: 3 * time.Hour}}, func(r *rig) {
		for range 5 {
			record, err := r.within(10 * time.Minute)
			if err == nil || record.ARN == "" || record.Finished() {
				r.Fatalf("%+v, %v", record, err)
			}
		}
		r.ends()
		r.exports(1)
	})
}

// A failed export is named with its code and the words that can hold no value; only
// --again starts another, and none while one goes on.
func TestFailed(t *testing.T) {
	traps := dynamodbtest.Traps{Running: time.Hour, Fail: func(n int) (string, string) {
		if n > 1 {
			return "", ""
		}
		return "S3AccessDenied", "Access denied to bucket arn:aws:s3:::x for Patient/Secret-Id-4711"
	}}
	bubble(t, dynamodbtest.Options{Traps: traps}, func(r *rig) {
		_, err := r.within(time.Minute)
		if err == nil {
			r.Fatal("no error")
		}
		_, err = r.run(again)
		r.fails(err, pipeline.KindConfig, "leave out --again")
		if !errors.Is(err, tableexport.ErrAgain) {
			r.Error(err)
		}
		for range 2 {
			_, err = r.run()
			r.fails(err, pipeline.KindFatal, "failed (S3AccessDenied: Access denied to bucket ... for ...)")
		}
		r.exports(1)
		first, _ := tableexport.ReadRecord(r.state)
		_, err = r.within(time.Minute, again)
		if err == nil {
			r.Fatal("no error")
		}
		second := r.ends()
		r.exports(2)
		if first.ARN == second.ARN || first.Token == second.Token {
			r.Errorf("%+v", second)
		}
		// What was left of the first, somebody has to remove.
		if left := second.Left(); len(left) != 2 || left[0] != first.Location().String() || left[1] != second.Location().String() {
			r.Errorf("%v", left)
		}
	})
}

// Each way in which DynamoDB refuses is named, with what mends it.
func TestRefused(t *testing.T) {
	fault := func(with dynamodbtest.Fault, op string) dynamodbtest.Traps {
		return dynamodbtest.Traps{Fault: func(c dynamodbtest.Call) dynamodbtest.Fault {
			if c.Op == op {
				return with
			}
			return dynamodbtest.NoFault
		}}
	}
	f := func(o dynamodbtest.Options, kind pipeline.Kind, words string, change ...func(*tableexport.Request, *tableexport.RunOptions)) {
		t.Helper()
		bubble(t, o, func(r *rig) {
			_, err := r.run(change...)
			r.fails(err, kind, words)
		})
	}
	without := table
	without.NoRecovery = true
	f(dynamodbtest.Options{Tables: []dynamodbtest.Table{without}}, pipeline.KindConfig, "point-in-time recovery of the table is off")
	f(dynamodbtest.Options{}, pipeline.KindConfig, "no such table", func(q *tableexport.Request, _ *tableexport.RunOptions) { q.Table += "x" })
	f(dynamodbtest.Options{}, pipeline.KindConfig, "refused", func(q *tableexport.Request, _ *tableexport.RunOptions) { q.Bucket = "" })
	f(dynamodbtest.Options{Traps: fault(dynamodbtest.Expired, "ExportTableToPointInTime")}, pipeline.KindAuth, "expired")
	f(dynamodbtest.Options{Traps: fault(dynamodbtest.TooMany, "ExportTableToPointInTime")}, pipeline.KindRetryLater, "too many exports")
	f(dynamodbtest.Options{Traps: fault(dynamodbtest.ServerError, "DescribeExport")}, pipeline.KindRetryLater, "server failed")
	f(dynamodbtest.Options{Traps: fault(dynamodbtest.Truncated, "DescribeExport")}, pipeline.KindRetryLater, "connection failed")
	f(dynamodbtest.Options{Traps: fault(dynamodbtest.Denied, "DescribeExport")}, pipeline.KindAuth, `"Action":"dynamodb:DescribeExport"`)
	f(dynamodbtest.Options{Keys: map[string]string{"other": ""}}, pipeline.KindAuth, "denied")
	f(dynamodbtest.Options{Now: func() time.Time { return time.Now().Add(time.Hour) }}, pipeline.KindAuth, "clock is wrong")
	f(dynamodbtest.Options{Traps: dynamodbtest.Traps{SeeLag: 24 * time.Hour}}, pipeline.KindFatal, "does not know the export")
}

// A status that this release does not know is waited out.
func TestUnknownStatus(t *testing.T) {
	bubble(t, dynamodbtest.Options{Traps: dynamodbtest.Traps{Status: "THINKING"}}, func(r *rig) {
		if _, err := r.within(time.Hour); err == nil {
			r.Fatal("no error")
		}
		r.simulation.SetTraps(func(traps *dynamodbtest.Traps) { traps.Status = "" })
		r.ends()
	})
}

// The record is for its owner alone, and one that cannot be read stops the job
// before anything is asked.
func TestRecord(t *testing.T) {
	bubble(t, dynamodbtest.Options{}, func(r *rig) {
		r.ends()
		file := filepath.Join(r.state, tableexport.RecordFile)
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			r.Errorf("%v, %v", info, err)
		}
		for content, words := range map[string]string{"{": "damaged", `{"version":2}`: "of version 2"} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				r.Fatal(err)
			}
			_, err := r.run()
			r.fails(err, pipeline.KindCheckpoint, words)
		}
		r.exports(1)
	})
}

// Credentials that have expired are asked for anew, for an hour.
func TestRenewed(t *testing.T) {
	keys := map[string]string{dynamodbtest.AccessKey: "", "renewed": dynamodbtest.SecretKey}
	bubble(t, dynamodbtest.Options{Keys: keys}, func(r *rig) {
		began := time.Now()
		go func() {
			time.Sleep(40 * time.Minute)
			_ = os.Setenv("AWS_ACCESS_KEY_ID", "renewed") // bubble has noted what it was
		}()
		r.ends()
		if waited := time.Since(began); waited < 40*time.Minute || waited > 45*time.Minute {
			r.Errorf("it took %v", waited)
		}
	})
}

// The export is found among many, and where DynamoDB says that it lies.
func TestAmongMany(t *testing.T) {
	bubble(t, dynamodbtest.Options{Traps: dynamodbtest.Traps{Below: "further"}}, func(r *rig) {
		for i := range 30 {
			other := filepath.Join(r.state, fmt.Sprint(i))
			if err := os.Mkdir(other, 0o700); err != nil {
				r.Fatal(err)
			}
			if _, err := r.run(func(_ *tableexport.Request, o *tableexport.RunOptions) { o.State = other }); err != nil {
				r.Fatal(err)
			}
		}
		r.simulation.SetTraps(func(traps *dynamodbtest.Traps) { traps.Fault = lostStart })
		if _, err := r.within(time.Second); err == nil {
			r.Fatal("it was not lost")
		}
		r.simulation.SetTraps(func(traps *dynamodbtest.Traps) { traps.Fault = nil })
		time.Sleep(9 * time.Hour) // the token is forgotten
		record := r.ends()
		r.exports(31)
		if !strings.HasPrefix(record.Folder, "exports/a/further/AWSDynamoDB/") {
			r.Errorf("it lies in %s", record.Folder)
		}
	})
}
