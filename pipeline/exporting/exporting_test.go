package exporting_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/exporting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// fake is a target in memory.
type fake struct {
	jobs   []*job
	unseen time.Duration // how long a new job is not found
	phases []phase       // of each job
	fail   func() error  // asked before and after each call; nil: all is well
	starts func()        // told of each start; may be nil
}

type phase struct {
	state importing.State
	word  string
	lasts time.Duration
}

type job struct {
	id, name, token string
	began           time.Time
}

func (f *fake) call(do func()) error {
	if f.fail == nil {
		do()
		return nil
	}
	if err := f.fail(); err != nil {
		return err
	}
	do()
	return f.fail()
}

func (f *fake) StartExport(_ context.Context, token, name string) (id string, err error) {
	if f.starts != nil {
		f.starts()
	}
	err = f.call(func() {
		for _, j := range f.jobs {
			if j.token == token {
				id = j.id
				return
			}
		}
		id = fmt.Sprint("job-", len(f.jobs)+1)
		f.jobs = append(f.jobs, &job{id, name, token, time.Now()})
	})
	return id, err
}

func (f *fake) FindExport(_ context.Context, name string) (it exporting.Job, found bool, err error) {
	err = f.call(func() {
		for _, j := range f.jobs {
			if j.name == name && time.Since(j.began) >= f.unseen {
				it, found = f.at(j), true
			}
		}
	})
	return it, found, err
}

func (f *fake) DescribeExport(_ context.Context, id string) (it exporting.Job, err error) {
	err = f.call(func() {
		for _, j := range f.jobs {
			if j.id == id {
				it = f.at(j)
			}
		}
	})
	return it, err
}

func (f *fake) at(j *job) exporting.Job {
	age := time.Since(j.began)
	for _, p := range f.phases {
		if age < p.lasts || p.lasts == 0 {
			return exporting.Job{ID: j.id, State: p.state, Status: p.word, Output: "s3://b/" + j.id + "/"}
		}
		age -= p.lasts
	}
	return exporting.Job{ID: j.id, State: importing.Completed, Status: "COMPLETED", Output: "s3://b/" + j.id + "/"}
}

// memory is a checkpoint.
type memory map[string]map[string][]byte

func (m memory) Each(bucket string, f func(string, []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(m[bucket])) {
		if err := f(key, m[bucket][key]); err != nil {
			return err
		}
	}
	return nil
}

func (m memory) Commit(changes []output.Change) error {
	for _, c := range changes {
		if m[c.Bucket] == nil {
			m[c.Bucket] = map[string][]byte{}
		}
		m[c.Bucket][c.Key] = c.Value
	}
	return nil
}

func options(tenant string) exporting.Options {
	return exporting.Options{Job: "a-job-whose-name-has-forty-characters---", Tenant: tenant, RunID: "run", Target: "arn", Log: slog.New(slog.DiscardHandler)}
}

// TestRun (WI6): days in a queue, and a status that nobody knows, are waited for;
// each number is one job of the target, and each tenant has its own.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &fake{unseen: time.Hour, phases: []phase{
			{importing.Waiting, "SUBMITTED", time.Minute},
			{importing.Waiting, "QUEUED", 48 * time.Hour},
			{importing.Unknown, "unknown", time.Hour},
			{importing.Running, "IN_PROGRESS", time.Hour},
		}}
		store := memory{}
		waits := 0
		o := options("")
		o.Waiting = func(string) { waits++ }
		began := time.Now()
		for range 2 {
			j, err := exporting.New(target, store, o).Run(t.Context(), 1)
			if err != nil || j.ID != "job-1" || j.Output != "s3://b/job-1/" {
				t.Fatal(j, err)
			}
		}
		if took := time.Since(began); took < 50*time.Hour || took > 51*time.Hour || waits < 1000 || waits > 10_000 {
			t.Errorf("%s, %d waits", took, waits)
		}
		target.phases = nil
		for n, o := range []exporting.Options{options(""), options("t")} {
			if j, err := exporting.New(target, store, o).Run(t.Context(), 2-n); err != nil || j.ID != fmt.Sprint("job-", n+2) {
				t.Error(j, err)
			}
		}
		if _, err := exporting.New(target, store, options("")).Run(t.Context(), 1); pipeline.KindOf(err) != pipeline.KindCheckpoint {
			t.Error(err)
		}
		names := map[string]bool{}
		for _, j := range target.jobs {
			names[j.name] = len(j.name) <= 64 && len(j.token) <= 64
		}
		if len(target.jobs) != 3 || len(names) != 3 || slices.Contains(slices.Collect(maps.Values(names)), false) {
			t.Error(names)
		}
		if last, err := exporting.Last(store, "t"); err != nil || last.Attempt != 1 || last.Job != "job-3" || last.Status != "COMPLETED" {
			t.Errorf("%+v, %v", last, err)
		}
		if last, err := exporting.Last(store, "nobody"); last != nil || err != nil {
			t.Error(last, err)
		}
	})
}

// TestIntent: what is asked for is stored before it is asked for, and every process
// of a run asks for the same (WI1).
func TestIntent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := map[string]bool{}
		for range 2 {
			store, target := memory{}, &fake{}
			target.starts = func() {
				last, err := exporting.Last(store, "")
				if err != nil || last == nil || last.Name == "" || last.Token == "" || last.Job != "" {
					t.Errorf("%+v, %v", last, err)
				}
			}
			if _, err := exporting.New(target, store, options("")).Run(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			tokens[target.jobs[0].token] = true
			o := options("")
			o.Target = "other"
			if _, err := exporting.New(target, store, o).Run(t.Context(), 1); pipeline.KindOf(err) != pipeline.KindCheckpoint {
				t.Errorf("the export of another store: %v", err)
			}
			time.Sleep(time.Hour)
		}
		if len(tokens) != 1 {
			t.Error(tokens)
		}
	})
}

// TestGivenUp: a failed job is told of until another number is asked for.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, state := range []importing.State{importing.Failed, importing.Cancelled} {
			target, store := &fake{phases: []phase{{state, "FAILED", 0}}}, memory{}
			for range 2 {
				if _, err := exporting.New(target, store, options("")).Run(t.Context(), 1); pipeline.KindOf(err) != pipeline.KindFatal || pipeline.HintOf(err) == "" {
					t.Error(err)
				}
			}
			target.phases = nil
			if j, err := exporting.New(target, store, options("")).Run(t.Context(), 2); err != nil || j.ID != "job-2" {
				t.Error(j, err)
			}
		}
	})
}

// TestInterrupted lets each call, and each answer, fail in turn: the next run takes
// the same job (WI1).
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := 1; ; n++ {
			calls := 0
			target, store := &fake{unseen: time.Minute, phases: []phase{{importing.Running, "IN_PROGRESS", time.Hour}}}, memory{}
			target.fail = func() error {
				if calls++; calls == n {
					return errors.New("lost")
				}
				return nil
			}
			_, err := exporting.New(target, store, options("")).Run(t.Context(), 1)
			if err == nil {
				if n < 6 {
					t.Errorf("%d answers", n)
				}
				return
			}
			if j, err := exporting.New(target, store, options("")).Run(t.Context(), 1); err != nil || j.ID != "job-1" || len(target.jobs) != 1 {
				t.Errorf("answer %d: %+v, %v, %d jobs", n, j, err, len(target.jobs))
			}
		}
	})
}

// TestStop: the context's error comes at once.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &fake{phases: []phase{{importing.Running, "IN_PROGRESS", time.Hour}}}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := exporting.New(target, memory{}, options("")).Run(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 90*time.Second {
			t.Error(err, time.Since(began))
		}
	})
}

// TestDamaged: what is no record is told.
func TestDamaged(t *testing.T) {
	store := memory{"exports": {"of/": []byte("[")}}
	if _, err := exporting.New(&fake{}, store, options("")).Run(t.Context(), 1); pipeline.KindOf(err) != pipeline.KindCheckpoint {
		t.Error(err)
	}
}
