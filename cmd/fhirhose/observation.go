package main

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// mover is the record pipeline, as this package uses it.
type mover interface {
	Run(ctx context.Context, stop <-chan struct{}) error
	watched
}

// watched is what tells how far it is, at any time, from any goroutine.
type watched interface{ Status() metrics.Status }

// opened is a job that is ready to move; close gives up what it holds.
type opened struct {
	mover mover
	close func() error
}

// observation adds to the pipeline's status what only the process knows:
// locations, build, retries, staged bytes, free space, and how it ended.
type observation struct {
	job     *jobfile.Job
	build   string
	started time.Time
	at      atomic.Pointer[watched] // what is under way
	staged  atomic.Int64
	writing sync.Mutex // status.json: both pipelines cut

	mu         sync.Mutex
	lastAlive  time.Time
	retries    map[string]int64
	retryUntil time.Time
	end        *ending
	verify     *metrics.VerifyTotals // of a verification
	waits      string                // what a verification waits for
	verified   bool                  // it has come to its end
}

// ending is how a move came to its end.
type ending struct {
	phase metrics.Phase
	exit  int
	err   error
}

func newObservation(job *jobfile.Job) *observation {
	return &observation{job: job, build: thisBuild().Version, started: time.Now(), retries: map[string]int64{}}
}

// watch makes w what the status tells of.
func (o *observation) watch(w watched) { o.at.Store(&w) }

// onStaged counts compressed bytes that were fetched or hashed.
func (o *observation) onStaged(n int64) {
	o.staged.Add(n)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastAlive = time.Now()
}

// onRetry counts a retry and the wait before it. Waiting for credentials is no
// sign of life: somebody has to act (design section 9).
func (o *observation) onRetry(cause objectstore.Cause, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retries[string(cause)]++
	if until := time.Now().Add(wait); cause != objectstore.ExpiredToken && until.After(o.retryUntil) {
		o.retryUntil = until
	}
}

// ended notes how the move ended, for every later status.
func (o *observation) ended(e ending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end = &e
}

// verifying changes how far a verification is, and says what it waits for, "" being
// nothing. To ask the target is a sign of life.
func (o *observation) verifying(waits string, change func(*metrics.VerifyTotals)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verify == nil {
		o.verify = &metrics.VerifyTotals{Classes: map[string]int64{}}
	}
	change(o.verify)
	o.waits, o.lastAlive = waits, time.Now()
}

// verifies makes the last status of a job that of a process which verifies it. Where
// it is lost, the one that the move left in the checkpoint counts.
func (o *observation) verifies(moved *metrics.Status) {
	last, err := metrics.ReadStatus(o.job.State)
	if err != nil {
		last = new(*moved)
	}
	last.Started, last.Phase = o.started, metrics.PhaseDone
	var at watched = lastSeen(*last)
	o.at.Store(&at)
}

// lastSeen is the status that an earlier process has left.
type lastSeen metrics.Status

// Status implements watched.
func (s lastSeen) Status() metrics.Status { return metrics.Status(s) }

// verifiedAll says that a verification has come to its end.
func (o *observation) verifiedAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.verified = true
}

// statusEvery is how often status.json is renewed where no cut does it.
const statusEvery = 10 * time.Second

// renew writes status.json until ctx ends.
func (o *observation) renew(ctx context.Context) error {
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	for {
		if err := o.write(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// status is a snapshot of the whole job, at any time, from any goroutine.
func (o *observation) status() metrics.Status {
	s := metrics.Status{Job: o.job.Name, Phase: metrics.PhaseStarting, Started: o.started, Updated: time.Now()}
	if at := o.at.Load(); at != nil {
		s = (*at).Status()
	}
	if s.Phase == "" {
		s.Phase = metrics.PhaseStarting
	}
	s.Build, s.Format = o.build, pipeline.FormatVersion
	s.Source, s.Sink = o.job.Source.Location().String(), o.job.Sink.Location.String()
	s.StateFree = statedir.Free(o.job.State)
	s.StagedBytes = o.staged.Load()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verify != nil {
		s.Verify = o.verify.Clone()
	}
	if o.verify != nil && !o.verified {
		s.Phase, s.WaitingFor = metrics.PhaseVerifying, o.waits
	}
	s.Retries = make(map[string]int64, len(o.retries))
	for cause, n := range o.retries {
		s.Retries[cause] = n
	}
	s.LastRetryWait = earlier(o.retryUntil, time.Now())
	if o.lastAlive.After(s.LastProgress) {
		s.LastProgress = o.lastAlive
	}
	if s.Phase == metrics.PhaseDone {
		s.Exit = finishedCode(&s)
	}
	if o.end != nil {
		o.end.describe(&s)
	}
	return s
}

// write renews status.json. A job that an earlier process has finished is left
// as it is.
func (o *observation) write() error {
	o.writing.Lock()
	defer o.writing.Unlock()
	s := o.status()
	if s.Started.Before(o.started) {
		if last, err := metrics.ReadStatus(o.job.State); err == nil && last.Moved() {
			return nil
		}
	}
	data, err := s.Encode()
	if err != nil {
		return err
	}
	path := filepath.Join(o.job.State, metrics.StatusFile)
	return durable.Failure("write", path, durable.WriteFile(path, data))
}

func (e *ending) describe(s *metrics.Status) {
	s.Phase, s.Exit, s.WaitingFor = e.phase, e.exit, ""
	if e.phase == metrics.PhaseFailed {
		s.Error, s.Hint = e.err.Error(), pipeline.HintOf(e.err)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// collectorLabels are the closed sets of the metrics' labels.
func collectorLabels() metrics.Labels {
	var l metrics.Labels
	for _, reason := range pipeline.Reasons() {
		l.Reasons = append(l.Reasons, reason.String())
	}
	for _, cause := range []objectstore.Cause{
		objectstore.Throttle, objectstore.Timeout, objectstore.Reset,
		objectstore.ServerError, objectstore.Checksum, objectstore.ExpiredToken,
	} {
		l.Retries = append(l.Retries, string(cause))
	}
	for _, class := range verify.Classes() {
		l.Classes = append(l.Classes, class.String())
	}
	return l
}
