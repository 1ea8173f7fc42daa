package exporting

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Target is a store that exports what it holds. Errors are as those of
// [importing.Target].
type Target interface {
	// StartExport begins an export of everything and returns its job's id. The
	// token of a job that was started before gives that job. After an error the
	// job may have been started all the same.
	StartExport(ctx context.Context, token, name string) (id string, err error)
	// FindExport returns the last job of that name. One that was started a moment
	// ago may not be found.
	FindExport(ctx context.Context, name string) (job Job, found bool, err error)
	// DescribeExport returns the state of a job.
	DescribeExport(ctx context.Context, id string) (Job, error)
}

// Job is an export as the target tells of it.
type Job struct {
	ID     string
	State  importing.State // Completed: everything was exported
	Status string          // the target's own word for State, of a closed list
	Output string          // where it writes to
}

// Options of an Exporter.
type Options struct {
	Job    string // name of the job
	Tenant string // "" in a job without tenants
	RunID  string // of the move that wrote the folders
	Target string // what tells this store from others, e.g. its ARN

	Log *slog.Logger
	// Waiting is told what the exporter waits for; "" is nothing. It may be nil.
	Waiting func(what string)
	// Pause is the first one between two questions to the target; 0: 5 s.
	Pause time.Duration
}

// Exporter runs the exports of one store, one after the other.
type Exporter struct {
	target Target
	store  importing.Checkpoint
	o      Options
}

// New returns an exporter. It does nothing before Run.
func New(target Target, store importing.Checkpoint, o Options) *Exporter {
	if o.Waiting == nil {
		o.Waiting = func(string) {}
	}
	if o.Pause == 0 {
		o.Pause = 5 * time.Second
	}
	return &Exporter{target: target, store: store, o: o}
}

// bucket is where the checkpoint keeps the record of the last export of each
// tenant.
const bucket = "exports"

// Record is what the checkpoint knows of a tenant's last export.
type Record struct {
	Attempt int    `json:"attempt"` // from 1
	Name    string `json:"name"`    // of the target's job
	Target  string `json:"target"`  // as in Options
	Token   string `json:"token"`
	Job     string `json:"job,omitempty"`    // its id, once the target has told it
	Status  string `json:"status,omitempty"` // the target's last word, of a closed list

	Earlier []string `json:"earlier,omitempty"` // jobs of the attempts before: what they exported may still be there
}

// Last returns the record of a tenant's last export, nil if none was begun.
func Last(store output.Entries, tenant string) (last *Record, err error) {
	err = store.Each(bucket, func(key string, value []byte) error {
		if key != keyOf(tenant) {
			return nil
		}
		last = new(Record)
		return json.Unmarshal(value, last)
	})
	if err != nil {
		return nil, output.Damaged(err)
	}
	return last, nil
}

func keyOf(tenant string) string { return "of/" + tenant }

// Run begins the export of a number, from 1, or takes it up, and returns its job
// once the target has exported everything. A number that is lower than that of the
// last export is KindCheckpoint; that the target gave up is KindFatal, and stays so
// until Run is asked for a higher one. After the context's error the job goes on.
func (e *Exporter) Run(ctx context.Context, attempt int) (Job, error) {
	r, err := Last(e.store, e.o.Tenant)
	if err != nil {
		return Job{}, err
	}
	switch {
	case r == nil:
		r = e.plan(attempt)
	case r.Attempt < attempt:
		earlier := r.Earlier
		if r.Job != "" {
			earlier = append(earlier, r.Job)
		}
		r = e.plan(attempt)
		r.Earlier = earlier
	case r.Attempt > attempt || r.Target != e.o.Target:
		return Job{}, output.Damaged(errors.New("another export was begun since"))
	}
	// The intent comes first: a crash from here on finds the job by its name.
	if r.Job == "" {
		if err := e.commit(r); err != nil {
			return Job{}, err
		}
		if err := e.start(ctx, r); err != nil {
			return Job{}, err
		}
	}
	return e.await(ctx, r)
}

// plan names a job so that any process of this run would name it the same.
func (e *Exporter) plan(attempt int) *Record {
	sum := sha256.Sum256(fmt.Appendf(nil, "export %q %q %q %d", e.o.RunID, e.o.Tenant, e.o.Target, attempt))
	token := hex.EncodeToString(sum[:])
	name := fmt.Sprintf("%s-verify-%d-%s", e.o.Job[:min(len(e.o.Job), 32)], attempt, token[:8])
	return &Record{Attempt: attempt, Name: name, Token: token, Target: e.o.Target}
}

func (e *Exporter) commit(r *Record) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return e.store.Commit([]output.Change{{Bucket: bucket, Key: keyOf(e.o.Tenant), Value: value}})
}

// start finds the job, or begins it. The target queues it behind others.
func (e *Exporter) start(ctx context.Context, r *Record) error {
	job, found, err := e.target.FindExport(ctx, r.Name)
	if err != nil {
		return err
	}
	if !found {
		// The same token: what an unseen start has begun is what this returns.
		if job.ID, err = e.target.StartExport(ctx, r.Token, r.Name); err != nil {
			return err
		}
		e.o.Log.Info("export started", "job", job.ID)
	}
	r.Job = job.ID
	return e.commit(r)
}

// await returns the job once it is over.
func (e *Exporter) await(ctx context.Context, r *Record) (Job, error) {
	defer e.o.Waiting("")
	for pause := e.o.Pause; ; pause = min(pause*3/2, longestPause) {
		job, err := e.target.DescribeExport(ctx, r.Job)
		if err != nil {
			return Job{}, err
		}
		if job.Status != r.Status {
			r.Status = job.Status
			if err := e.commit(r); err != nil {
				return Job{}, err
			}
			e.o.Log.Info("export", "job", r.Job, "status", job.Status)
		}
		switch job.State {
		case importing.Completed:
			return job, nil
		case importing.Failed, importing.Cancelled:
			return Job{}, &pipeline.Error{
				Op: "export", Object: r.Name, Kind: pipeline.KindFatal,
				Err:  fmt.Errorf("the target gave up, or exported only a part: job %s is %s", r.Job, job.Status),
				Hint: "mend what the target's console says of that job, then: fhirhose verify --again",
			}
		}
		e.o.Waiting("export " + r.Job)
		if err := pipeline.Sleep(ctx, pause); err != nil {
			return Job{}, err
		}
	}
}

// longestPause lies between two questions to the target. An export takes minutes
// to days.
const longestPause = time.Minute
