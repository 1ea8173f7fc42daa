package healthlake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

func TestImport(t *testing.T) {
	traps := healthlaketest.Traps{Queued: time.Hour, Running: time.Hour, Refuse: func(key string, _ []byte) string {
		return map[string]string{"Patient/bad": "it is bad"}[key]
	}}
	bubble(t, healthlaketest.Options{Traps: traps}, func(r *rig) {
		r.put("job/v1-1/Patient-v1-00000.ndjson", patient("a", 1), patient("bad", 1))
		r.put("job/v1-10/Patient-v1-00000.ndjson", patient("b", 1)) // WI11
		store := r.opened()
		id, err := store.StartImport(r.Context(), "s3://bucket/job/v1-1", "token-1", "clinic-v1-1")
		r.check(err)
		unfinished, err := store.Unfinished(r.Context())
		r.check(err)
		equal(r.T, len(unfinished), 1)
		equal(r.T, unfinished[0].Name, "clinic-v1-1")

		job := r.await(store, id)
		equal(r.T, string(job.Status), "COMPLETED_WITH_ERRORS")
		equal(r.T, job.Known(), true)
		equal(r.T, job.Input, "s3://bucket/job/v1-1/")
		equal(r.T, job.Progress, healthlake.Progress{Files: 1, Scanned: 2, Imported: 1, Failed: 1})
		if job.Ended.Sub(job.Submitted) != 2*time.Hour {
			r.Errorf("from %s to %s", job.Submitted, job.Ended)
		}
		if content, err := os.ReadFile(r.dir + "/bucket/" + strings.TrimPrefix(job.Output, "s3://bucket/") + "Manifest.json"); err != nil || len(content) == 0 {
			r.Errorf("%s holds no manifest: %v", job.Output, err)
		}
		unfinished, err = store.Unfinished(r.Context())
		r.check(err)
		equal(r.T, len(unfinished), 0)

		// After a crash: by name, or by starting it again.
		found, ok, err := store.FindImport(r.Context(), "clinic-v1-1")
		r.check(err)
		equal(r.T, ok, true)
		equal(r.T, found, job)
		again, err := store.StartImport(r.Context(), "s3://bucket/job/v1-1/", "token-1", "clinic-v1-1")
		r.check(err)
		equal(r.T, again, id)
		_, ok, err = store.FindImport(r.Context(), "clinic-v1-2")
		equal(r.T, ok, false)
		r.check(err)
		equal(r.T, r.simulation.Violations(), nil)
	})
}

func TestExport(t *testing.T) {
	bubble(t, healthlaketest.Options{Traps: healthlaketest.Traps{Running: time.Hour}}, func(r *rig) {
		store := r.opened()
		r.simulation.Edit(healthlaketest.DatastoreID, "Patient/a", func([]byte) []byte { return []byte(patient("a", 1)) })
		id, err := store.StartExport(r.Context(), "token-1", "clinic-verify")
		r.check(err)
		job, err := store.DescribeExport(r.Context(), id)
		r.check(err)
		equal(r.T, job.Over(), false)
		time.Sleep(2 * time.Hour)
		job, ok, err := store.FindExport(r.Context(), "clinic-verify")
		r.check(err)
		equal(r.T, fmt.Sprintln(ok, job.Status, job.Over()), "true COMPLETED true\n")
		content, err := os.ReadFile(r.dir + "/bucket/" + strings.TrimPrefix(job.Output, "s3://bucket/") + "Patient/Patient-0.ndjson")
		r.check(err)
		equal(r.T, string(content), patient("a", 1)+"\n")
	})
}

// A name may have been used before, and the lists come in pages.
func TestFindTheLastOfMany(t *testing.T) {
	bubble(t, healthlaketest.Options{Traps: healthlaketest.Traps{LooseNames: true}}, func(r *rig) {
		store := r.opened()
		var last string
		for n := range 250 {
			id, err := store.StartImport(r.Context(), "s3://bucket/none", fmt.Sprint("token-", n), "clinic")
			r.check(err)
			last = id
			time.Sleep(time.Second)
		}
		_, err := store.StartImport(r.Context(), "s3://bucket/none", "another", "clinic-b")
		r.check(err)
		job, ok, err := store.FindImport(r.Context(), "clinic")
		r.check(err)
		equal(r.T, fmt.Sprint(ok, job.ID), fmt.Sprint(true, last))
	})
}

// WI1: the SDK would fill the token at random.
func TestStartNeedsToken(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		_, err := store.StartImport(r.Context(), "s3://bucket/job/v1-0/", "", "name")
		r.fails(err, pipeline.KindOther, "no client token")
		_, err = store.StartExport(r.Context(), "", "name")
		r.fails(err, pipeline.KindOther, "no client token")
		equal(r.T, len(r.simulation.Calls()), 1) // that of open
	})
}

// WI4: an answer that is lost, and throttling, start no second job.
func TestStartIsTriedAgain(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		r.put("job/v1-0/Patient-v1-00000.ndjson", patient("a", 1))
		r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
			traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
				faults := []healthlaketest.Fault{"", healthlaketest.Reset, healthlaketest.Throttled, healthlaketest.Lost, healthlaketest.ServerError, healthlaketest.Unauthorized, healthlaketest.Truncated}
				if c.N < len(faults) && c.Op == "StartFHIRImportJob" {
					return faults[c.N]
				}
				return healthlaketest.NoFault
			}
		})
		id, err := store.StartImport(r.Context(), "s3://bucket/job/v1-0/", "token-1", "clinic-v1-0")
		r.check(err)
		equal(r.T, r.simulation.Calls()["StartFHIRImportJob"], 7)
		equal(r.T, r.await(store, id).Progress.Imported, 1)
		equal(r.T, r.simulation.Violations(), nil)
		job, _, err := store.FindImport(r.Context(), "clinic-v1-0")
		r.check(err)
		equal(r.T, job.ID, id)
	})
}

// A new role is let in after some seconds; one that never is, is told of soon.
func TestNewRole(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		began := time.Now()
		known := 40 * time.Second
		r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
			traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
				if strings.HasPrefix(c.Op, "Start") && time.Since(began) < known || c.Op == "ListFHIRImportJobs" {
					return healthlaketest.Forbidden
				}
				return healthlaketest.NoFault
			}
		})
		_, err := store.StartImport(r.Context(), "s3://bucket/job/v1-0/", "token-1", "name")
		r.check(err)
		began = time.Now()
		_, err = store.StartExport(r.Context(), "token-1", "name")
		r.check(err)
		known, began = time.Hour, time.Now()
		took := takes(func() {
			_, err = store.StartImport(r.Context(), "s3://bucket/job/v1-0/", "token-2", "name")
			r.fails(err, pipeline.KindAuth, "iam:PassRole on target.healthlake.role_arn")
		})
		if took < time.Minute || took > 2*time.Minute {
			t.Errorf("a start was tried for %v", took)
		}
		if took := takes(func() { _, _, err = store.FindImport(r.Context(), "name") }); took > 0 {
			t.Errorf("another call was tried for %v", took)
		}
		r.fails(err, pipeline.KindAuth, "healthlake:ListFHIRImportJobs")
	})
}

func TestPatienceEnds(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened(func(o *healthlake.Options) { o.CredentialPatience = 20 * time.Minute })
		f := func(fault healthlaketest.Fault, least, most time.Duration, kind pipeline.Kind, words string) {
			r.Helper()
			r.fault(fault, "DescribeFHIRImportJob", "read")
			for name, call := range map[string]func() error{
				"describe": func() error { _, err := store.DescribeImport(r.Context(), "id"); return err },
				"read":     func() error { _, err := store.Read(r.Context(), "Patient", secretID); return err },
			} {
				var err error
				if took := takes(func() { err = call() }); took < least || took > most {
					r.Errorf("%s, %s: it took %s", fault, name, took)
				}
				r.fails(err, kind, words)
			}
		}
		const long = 15 * time.Minute
		f(healthlaketest.Throttled, long, long+time.Minute, pipeline.KindRetryLater, "too many requests")
		f(healthlaketest.ServerError, long, long+time.Minute, pipeline.KindRetryLater, "the server failed")
		f(healthlaketest.Reset, long, long+time.Minute, pipeline.KindRetryLater, "the connection failed")
		f(healthlaketest.Unauthorized, 20*time.Minute, 21*time.Minute, pipeline.KindAuth, "the credentials have expired")
		f(healthlaketest.Forbidden, 0, 2*time.Second, pipeline.KindAuth, "access denied")
	})
}

func TestSomebodyLogsInAgain(t *testing.T) {
	keys := map[string]string{healthlaketest.AccessKey: healthlaketest.SecretKey, "AKIDNEW": "new"}
	bubble(t, healthlaketest.Options{Keys: keys}, func(r *rig) {
		store := r.opened()
		r.simulation.SetTraps(func(*healthlaketest.Traps) { keys[healthlaketest.AccessKey] = "" })
		go func() {
			time.Sleep(40 * time.Minute)
			_ = os.Setenv("AWS_ACCESS_KEY_ID", "AKIDNEW") // bubble has called Setenv before
			_ = os.Setenv("AWS_SECRET_ACCESS_KEY", "new")
		}()
		took := takes(func() {
			_, err := store.Unfinished(r.Context())
			r.check(err)
		})
		if took < 40*time.Minute || took > 41*time.Minute {
			r.Errorf("it took %s", took)
		}
	})
}

func TestCancelled(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		r.fault(healthlaketest.Throttled, "read")
		ctx, cancel := context.WithCancelCause(r.Context())
		time.AfterFunc(time.Minute, func() { cancel(errors.New("a reason of its own")) })
		_, err := store.Read(ctx, "Patient", secretID)
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), secretID) {
			r.Error(err)
		}
	})
}

func TestRefusedStart(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened(func(o *healthlake.Options) { o.RoleARN = "role" })
		_, err := store.StartImport(r.Context(), "s3://bucket/job/v1-0/", "token-1", "name")
		r.fails(err, pipeline.KindConfig, "ValidationException")
		_, err = store.DescribeImport(r.Context(), "none")
		r.fails(err, pipeline.KindConfig, "not found")
	})
}

func TestOpen(t *testing.T) {
	f := func(o healthlaketest.Options, kind pipeline.Kind, words string, change ...func(*healthlake.Options)) {
		t.Helper()
		bubble(t, o, func(r *rig) {
			_, err := r.open(change...)
			r.fails(err, kind, words)
		})
	}
	token := func(context.Context, bool) (string, error) { return "t", nil }
	of := func(s healthlaketest.Store) healthlaketest.Options {
		s.ID = healthlaketest.DatastoreID
		return healthlaketest.Options{Stores: []healthlaketest.Store{s}}
	}
	f(healthlaketest.Options{Stores: []healthlaketest.Store{{ID: "other"}}}, pipeline.KindConfig, "not found")
	f(of(healthlaketest.Store{Status: "CREATING"}), pipeline.KindRetryLater, "being created")
	f(of(healthlaketest.Store{Status: "DELETED"}), pipeline.KindConfig, "not active")
	f(of(healthlaketest.Store{Bearer: func(string) bool { return true }}), pipeline.KindConfig, "bearer tokens")
	f(of(healthlaketest.Store{}), pipeline.KindConfig, "signatures", func(o *healthlake.Options) { o.Token = token })
	f(healthlaketest.Options{Keys: map[string]string{}}, pipeline.KindAuth, "access denied")
}

// The SDK corrects a wrong clock by the answers to its own calls; for the REST
// API it has to be told of.
func TestWrongClock(t *testing.T) {
	bubble(t, healthlaketest.Options{Now: func() time.Time { return time.Now().Add(time.Hour) }}, func(r *rig) {
		_, err := r.opened().Read(r.Context(), "Patient", secretID)
		r.fails(err, pipeline.KindAuth, "clock")
	})
}
