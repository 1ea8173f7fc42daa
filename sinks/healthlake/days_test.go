package healthlake_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// polled is a store as a target of package importing, without its results in S3.
type polled struct{ store *healthlake.Store }

func jobOf(j healthlake.Job) importing.Job {
	it := importing.Job{ID: j.ID, Name: j.Name, Status: string(j.Status), State: importing.Running, Ended: j.Ended}
	it.Scanned, it.Imported, it.Failed = j.Progress.Scanned, j.Progress.Imported, j.Progress.Failed
	if j.Over() {
		it.State = importing.Completed
	}
	return it
}

func (p polled) Start(ctx context.Context, folder, token, name string) (string, error) {
	return p.store.StartImport(ctx, "s3://bucket/job/"+folder, token, name)
}

func (p polled) Find(ctx context.Context, name string) (importing.Job, bool, error) {
	job, found, err := p.store.FindImport(ctx, name)
	return jobOf(job), found, err
}

func (p polled) Describe(ctx context.Context, id string) (importing.Job, error) {
	job, err := p.store.DescribeImport(ctx, id)
	return jobOf(job), err
}

func (p polled) Unfinished(ctx context.Context) (jobs []importing.Job, err error) {
	unfinished, err := p.store.Unfinished(ctx)
	for _, job := range unfinished {
		jobs = append(jobs, jobOf(job))
	}
	return jobs, err
}

func (polled) Failures(context.Context, string, func(importing.Failure) error) error { return nil }

// TestTwoDays: 48 hours of polling, while each hour the credentials expire and
// somebody renews them ten minutes later (WI13), the clock of this machine steps by
// hours, and calls are throttled (WI4), each with a patience of its own (WI5): no job is
// started twice, and each end is the service's own.
func TestTwoDays(t *testing.T) {
	keys := map[string]string{healthlaketest.AccessKey: healthlaketest.SecretKey}
	var ahead atomic.Int64 // of the service's clock
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	traps := healthlaketest.Traps{Submitted: time.Minute, Queued: 29 * time.Minute, Running: 11*time.Hour + 30*time.Minute, ThrottleEvery: 7}
	bubble(t, healthlaketest.Options{Keys: keys, Traps: traps, Now: clock}, func(r *rig) {
		ctx, cancel := context.WithCancel(r.Context())
		var meanwhile sync.WaitGroup
		defer meanwhile.Wait()
		defer cancel()
		goesOn := func(d time.Duration) bool {
			select {
			case <-time.After(d):
				return true
			case <-ctx.Done():
				return false
			}
		}
		meanwhile.Go(func() {
			steps := []time.Duration{2 * time.Hour, -3 * time.Hour, 0, 30 * time.Minute, -time.Minute}
			current := healthlaketest.AccessKey
			for hour := 0; goesOn(50 * time.Minute); hour++ {
				r.simulation.SetTraps(func(*healthlaketest.Traps) { keys[current] = "" })
				if !goesOn(10 * time.Minute) {
					return
				}
				current = fmt.Sprint("AKIDHOUR", hour)
				r.simulation.SetTraps(func(*healthlaketest.Traps) { keys[current] = "secret" })
				_ = os.Setenv("AWS_ACCESS_KEY_ID", current) // bubble has called Setenv before
				_ = os.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
				if hour%5 == 4 {
					ahead.Store(int64(steps[hour/5%len(steps)]))
				}
			}
		})
		var folders []importing.Folder
		for v := 1; v <= 4; v++ {
			name := fmt.Sprintf("v%d-0", v)
			r.put(fmt.Sprintf("job/%s/Patient-v%d-00000.ndjson", name, v), patient("a", v), patient(fmt.Sprint("b", v), v))
			folders = append(folders, importing.Folder{Name: name, Lines: 2})
		}
		known := records{}
		took := takes(func() {
			r.check(importing.New(polled{r.opened()}, known, importing.Options{
				Job: "a", RunID: "run", Target: "store", State: r.dir, Log: slog.New(slog.DiscardHandler),
			}).Run(ctx, folders))
		})
		if took < 48*time.Hour || took > 50*time.Hour {
			r.Errorf("it took %v", took)
		}
		equal(r.T, r.simulation.Violations(), nil)
		equal(r.T, len(r.simulation.Current(healthlaketest.DatastoreID)), 5)
		history, err := r.opened().History(r.Context(), "Patient", "a")
		if err == nil {
			equal(r.T, len(history), 4)
		}
		// At most once a minute, each seventh call is throttled, and some calls wait for
		// credentials.
		if n := r.simulation.Calls()["DescribeFHIRImportJob"]; n < 48*40 || n > 50*90 {
			r.Errorf("%d questions", n)
		}
		last, err := importing.Ended(known, "")
		r.check(err)
		if last.IsZero() || last.Sub(clock()).Abs() > time.Hour {
			r.Errorf("the last job has ended at %v, it is %v", last, clock())
		}
	})
}
