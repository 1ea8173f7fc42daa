package healthlaketest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// bubble runs f inside of testing/synctest, where a simulation over a directory
// is reached without a network.
func bubble(t *testing.T, o healthlaketest.Options, f func(r *rig)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o.S3 = healthlaketest.Directory(dir)
		r := &rig{T: t, simulation: healthlaketest.New(o), dir: dir}
		r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"))
		r.http = &http.Client{Transport: r.simulation.Transport()}
		r.client = newClient("http://healthlake.example", r.http, healthlaketest.SecretKey)
		defer r.simulation.Close()
		f(r)
	})
}

func TestStatuses(t *testing.T) {
	traps := healthlaketest.Traps{Submitted: time.Minute, Queued: 24 * time.Hour, Running: 23 * time.Hour}
	bubble(t, healthlaketest.Options{Traps: traps}, func(r *rig) {
		begin := time.Now()
		id := r.start(request("in/v1-0/"))
		second := r.start(request("in/v1-1/"))
		var seen []types.JobStatus
		polls := 0
		for p := r.describe(id); ; p = r.describe(id) {
			if len(seen) == 0 || seen[len(seen)-1] != p.JobStatus {
				seen = append(seen, p.JobStatus)
			}
			if p.EndTime != nil {
				break
			}
			equal(r.T, r.describe(second).JobStatus, types.JobStatusQueued) // one job at a time
			time.Sleep(100 * time.Second)
			polls++
		}
		equal(r.T, seen, []types.JobStatus{"SUBMITTED", "QUEUED", "IN_PROGRESS", "COMPLETED"})
		if took := time.Since(begin); took < 47*time.Hour || took > 48*time.Hour || polls < 1600 {
			r.Errorf("%d polls in %s", polls, took)
		}
		equal(r.T, len(r.simulation.Current(store)), 1)
	})
}

func TestProgressGrows(t *testing.T) {
	bubble(t, healthlaketest.Options{Traps: healthlaketest.Traps{Running: time.Hour}}, func(r *rig) {
		id := r.start(request("in/"))
		time.Sleep(30 * time.Minute)
		equal(r.T, *r.describe(id).JobProgressReport.TotalNumberOfResourcesScanned, 0)
		time.Sleep(31 * time.Minute)
		equal(r.T, *r.describe(id).JobProgressReport.TotalNumberOfResourcesScanned, 1)
	})
}

func TestCancel(t *testing.T) {
	bubble(t, healthlaketest.Options{Traps: healthlaketest.Traps{Submitted: time.Hour, Cancelling: 10 * time.Minute}}, func(r *rig) {
		id := r.start(request("in/v1-0/"))
		equal(r.T, r.simulation.Cancel(id), true)
		equal(r.T, r.describe(id).JobStatus, types.JobStatusCancelSubmitted)
		time.Sleep(61 * time.Minute)
		equal(r.T, r.describe(id).JobStatus, types.JobStatusCancelInProgress)
		time.Sleep(10 * time.Minute)
		equal(r.T, r.describe(id).JobStatus, types.JobStatusCancelCompleted)
		equal(r.T, r.simulation.Cancel(id), false)
		equal(r.T, len(r.simulation.Current(store)), 0)

		// Half of a folder may be in; what was cancelled may be sent again.
		r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.Submitted, traps.Running = 0, 2*time.Hour })
		r.put("in/v1-0/Patient-v1-00001.ndjson", patient("b", "1"))
		again := request("in/v1-0/")
		again.ClientToken = aws.String("again")
		id = r.start(again)
		time.Sleep(90 * time.Minute)
		equal(r.T, r.simulation.Cancel(id), true)
		time.Sleep(time.Hour)
		equal(r.T, r.describe(id).JobStatus, types.JobStatusCancelCompleted)
		equal(r.T, len(r.simulation.Current(store)), 1)
		again.ClientToken = aws.String("once-more")
		id = r.start(again)
		time.Sleep(3 * time.Hour)
		equal(r.T, r.describe(id).JobStatus, types.JobStatusCompleted)
		equal(r.T, r.simulation.Violations(), nil)
	})
}

func TestCancelFails(t *testing.T) {
	traps := healthlaketest.Traps{Submitted: time.Hour, CancelFails: true}
	bubble(t, healthlaketest.Options{Traps: traps}, func(r *rig) {
		id := r.start(request("in/v1-0/"))
		r.simulation.Cancel(id)
		time.Sleep(2 * time.Hour)
		equal(r.T, r.describe(id).JobStatus, types.JobStatusCancelFailed)
	})
}

func TestQueueIsBounded(t *testing.T) {
	o := healthlaketest.Options{Quotas: healthlaketest.Quotas{Queued: 2}, Traps: healthlaketest.Traps{Running: time.Hour}}
	bubble(t, o, func(r *rig) {
		for n := range 3 {
			r.start(request(fmt.Sprintf("in/v1-%d/", n)))
		}
		_, err := r.client.StartFHIRImportJob(r.Context(), request("in/v1-3/"))
		equal(r.T, code(err), "ThrottlingException")
		time.Sleep(61 * time.Minute)
		r.start(request("in/v1-3/"))
	})
}

func TestStartGap(t *testing.T) {
	bubble(t, healthlaketest.Options{Traps: healthlaketest.Traps{StartGap: time.Minute}}, func(r *rig) {
		r.start(request("in/v1-0/"))
		_, err := r.client.StartFHIRImportJob(r.Context(), request("in/v1-1/"))
		equal(r.T, code(err), "ThrottlingException")
		time.Sleep(time.Minute)
		r.start(request("in/v1-1/"))
	})
}

func TestFailedJob(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{Fail: func(job string) (int64, string) {
		if job == "in-v1-0" {
			return 1, "it broke"
		}
		return 0, ""
	}}})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"), patient("b", "1"))
	p := r.run(request("in/v1-0/"))
	equal(t, p.JobStatus, types.JobStatusFailed)
	equal(t, aws.ToString(p.Message), "it broke")
	equal(t, len(r.simulation.Current(store)), 1) // half a folder is in
	equal(t, len(r.outputs(p.JobOutputDataConfig)), 0)
	again := request("in/v1-0/")
	again.JobName, again.ClientToken = aws.String("again"), aws.String("again")
	equal(t, r.run(again).JobStatus, types.JobStatusCompleted)
	equal(t, r.simulation.Violations(), nil)
}

func TestEmptyInput(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	p := r.run(request("in/none/"))
	equal(t, p.JobStatus, types.JobStatusCompleted) // of nothing
	equal(t, *p.JobProgressReport.TotalNumberOfResourcesScanned, 0)
}

func TestInputThatCannotBeRead(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		in := request("in/v1-0/")
		in.InputDataConfig = &types.InputDataConfigMemberS3Uri{Value: "s3://none/in/v1-0/"}
		id := r.start(in)
		synctest.Wait()
		equal(r.T, r.describe(id).JobStatus, types.JobStatusFailed)
	})
}

// A start whose answer is lost was carried out all the same.
func TestFaults(t *testing.T) {
	fault := healthlaketest.Lost
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{Fault: func(c healthlaketest.Call) healthlaketest.Fault {
		if c.Op == "StartFHIRImportJob" && c.N == 1 || c.Op == "ListFHIRImportJobs" {
			return fault
		}
		return healthlaketest.NoFault
	}}})
	_, err := r.client.StartFHIRImportJob(t.Context(), request("in/v1-0/"))
	if err == nil {
		t.Fatal("the answer is not lost")
	}
	r.await(r.start(request("in/v1-0/")))
	equal(t, r.simulation.Calls()["StartFHIRImportJob"], 2)

	list := &healthlake.ListFHIRImportJobsInput{DatastoreId: aws.String(store)}
	f := func(with healthlaketest.Fault, want string) {
		t.Helper()
		r.simulation.SetTraps(func(*healthlaketest.Traps) { fault = with })
		_, err := r.client.ListFHIRImportJobs(t.Context(), list)
		if !strings.Contains(code(err), want) {
			t.Errorf("%s: %v is not %s", with, err, want)
		}
	}
	f(healthlaketest.Reset, "EOF")
	f(healthlaketest.Truncated, "EOF")
	f(healthlaketest.Throttled, "ThrottlingException")
	f(healthlaketest.ServerError, "InternalServerException")
	f(healthlaketest.Unauthorized, "ExpiredTokenException")
	f(healthlaketest.Forbidden, "AccessDeniedException")
	r.simulation.SetTraps(func(*healthlaketest.Traps) { fault = healthlaketest.NoFault })
	out, err := r.client.ListFHIRImportJobs(t.Context(), list)
	r.check(err)
	equal(t, len(out.ImportJobPropertiesList), 1) // one job of two starts
}

func TestThrottling(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{ThrottleEvery: 3}})
	var got []string
	for range 6 {
		_, err := r.client.ListFHIRDatastores(t.Context(), &healthlake.ListFHIRDatastoresInput{})
		got = append(got, code(err))
	}
	equal(t, strings.Join(got, " "), "<nil> <nil> ThrottlingException <nil> <nil> ThrottlingException")
}

func TestSlowAnswers(t *testing.T) {
	latency := func(c healthlaketest.Call) time.Duration { return time.Duration(c.N) * time.Hour }
	bubble(t, healthlaketest.Options{Traps: healthlaketest.Traps{Latency: latency}}, func(r *rig) {
		begin := time.Now()
		first := r.start(request("in/v1-0/"))
		equal(r.T, time.Since(begin), time.Hour)
		r.http.Timeout = time.Minute
		_, err := r.client.StartFHIRImportJob(r.Context(), request("in/v1-0/"))
		if !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("%v is not a timeout", err)
		}
		equal(r.T, time.Since(begin), time.Hour+time.Minute)
		r.http.Timeout = 0
		equal(r.T, r.describe(first).JobStatus, types.JobStatusCompleted)
	})
}
