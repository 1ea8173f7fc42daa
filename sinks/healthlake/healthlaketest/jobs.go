package healthlaketest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// The statuses of a job.
const (
	submitted           = "SUBMITTED"
	queued              = "QUEUED"
	inProgress          = "IN_PROGRESS"
	completed           = "COMPLETED"
	completedWithErrors = "COMPLETED_WITH_ERRORS"
	failed              = "FAILED"
	cancelSubmitted     = "CANCEL_SUBMITTED"
	cancelInProgress    = "CANCEL_IN_PROGRESS"
	cancelCompleted     = "CANCEL_COMPLETED"
	cancelFailed        = "CANCEL_FAILED"
)

// job is an import or an export. The simulation's mutex guards it.
type job struct {
	start     startRequest
	id        string
	status    string
	message   string
	output    string // the URI of the job's own folder
	submitted time.Time
	ended     time.Time // zero while the job is not over
	progress  progress
}

func (j *job) over() bool { return !j.ended.IsZero() }

// queue holds all jobs of a kind, in the order of their start. One of them runs
// at a time, as the quota of an account and region says.
type queue struct {
	kind string // as in the names of outputs
	jobs []*job
	wake chan struct{}
}

func newQueue(kind string) queue { return queue{kind: kind, wake: make(chan struct{}, 1)} }

func (q *queue) add(in startRequest, now time.Time) *job {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", q.kind, len(q.jobs)))
	j := &job{start: in, id: hex.EncodeToString(sum[:16]), status: submitted, submitted: now}
	out := in.output().S3Uri
	if !strings.HasSuffix(out, "/") {
		out += "/"
	}
	j.output = fmt.Sprintf("%s%s-%s-%s/", out, in.DatastoreID, q.kind, j.id)
	if q.first() != nil {
		j.status = queued
	}
	q.jobs = append(q.jobs, j)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return j
}

// first is the job that runs or comes next.
func (q *queue) first() *job {
	for _, j := range q.jobs {
		if !j.over() {
			return j
		}
	}
	return nil
}

func (q *queue) byID(store, id string) *job {
	for _, j := range q.jobs {
		if j.id == id && j.start.DatastoreID == store {
			return j
		}
	}
	return nil
}

// waiting counts the jobs of a store that are not over.
func (q *queue) waiting(store string) (n int) {
	for _, j := range q.jobs {
		if !j.over() && j.start.DatastoreID == store {
			n++
		}
	}
	return n
}

// work runs the jobs of a queue, one after the other.
func (s *Simulation) work(ctx context.Context, q *queue, run func(context.Context, *job, Traps) (status, message string)) {
	for {
		s.mu.Lock()
		j, traps := q.first(), s.traps
		s.mu.Unlock()
		if j == nil {
			select {
			case <-q.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		status, message := cancelCompleted, ""
		if s.pause(ctx, j, traps.Submitted) && s.proceed(j, queued, traps.Queued > 0) &&
			s.pause(ctx, j, traps.Queued) && s.proceed(j, inProgress, true) {
			status, message = run(ctx, j, traps)
		}
		if status == cancelCompleted {
			status = s.cancel(ctx, j, traps)
		}
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		j.status, j.message, j.ended = status, message, s.options.Now()
		s.mu.Unlock()
	}
}

// proceed changes the status of a job, unless it was cancelled.
func (s *Simulation) proceed(j *job, status string, change bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.status == cancelSubmitted {
		return false
	}
	if change {
		j.status = status
	}
	return true
}

// pause lets time go by. It returns false when the simulation is closed or the
// job was cancelled.
func (s *Simulation) pause(ctx context.Context, j *job, d time.Duration) bool {
	if d > 0 && s.options.Sleep(ctx, d) != nil {
		return false
	}
	return ctx.Err() == nil && s.proceed(j, "", false)
}

// cancel takes a job that is to be cancelled to its end.
func (s *Simulation) cancel(ctx context.Context, j *job, traps Traps) (status string) {
	s.mu.Lock()
	j.status = cancelInProgress
	s.mu.Unlock()
	_ = s.options.Sleep(ctx, traps.Cancelling) // the caller looks at ctx
	if traps.CancelFails {
		return cancelFailed
	}
	return cancelCompleted
}

// Cancel cancels a job, as an operator does in the console. It tells whether
// there was one that was not over.
func (s *Simulation) Cancel(jobID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range []*queue{&s.imports, &s.exports} {
		for _, j := range q.jobs {
			if j.id == jobID && !j.over() && j.status != cancelInProgress {
				j.status = cancelSubmitted
				return true
			}
		}
	}
	return false
}
