package objectstore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Cause says why something is tried again.
type Cause string

// The causes, a closed set: they are labels of a metric.
const (
	Throttle     Cause = "throttle"
	Timeout      Cause = "timeout"
	Reset        Cause = "reset"
	ServerError  Cause = "server-error"
	Checksum     Cause = "checksum"
	ExpiredToken Cause = "expired-token"
)

// Observer is told of each retry and how long it waits first. It is called from
// many goroutines and must not block.
type Observer func(cause Cause, wait time.Duration)

// newRetryer bounds the attempts of a call. It has no retry quota: a mover of
// bulk data goes on as long as most calls succeed.
func newRetryer(o Options, observe Observer) aws.Retryer {
	standard := retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts = o.Attempts
		s.MaxBackoff = o.MaxBackoff
		s.Backoff = retry.NewExponentialJitterBackoff(o.MaxBackoff)
		s.RateLimiter = ratelimit.None
		s.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(worthRetrying)}, retry.DefaultRetryables...)
	})
	return &retryer{RetryerV2: standard, observe: observe}
}

type retryer struct {
	aws.RetryerV2
	observe Observer
}

// RetryDelay is asked exactly once before each retry.
func (r *retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	wait, failed := r.RetryerV2.RetryDelay(attempt, err)
	if failed == nil {
		r.observe(examine(err).cause(), wait)
	}
	return wait, failed
}

// worthRetrying adds what the SDK leaves out: a damaged body in either
// direction, an answer that ends in the middle, a conflict that passes.
func worthRetrying(err error) aws.Ternary {
	f := examine(err)
	switch {
	case f.canceled:
		return aws.FalseTernary
	case f.code == "ConditionalRequestConflict", f.code == "OperationAborted", f.status == 429:
		return aws.TrueTernary
	case f.network, f.isChecksum():
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// credentialPause lies between two looks for fresh credentials; the first is
// immediate.
const credentialPause = 30 * time.Second

// call runs one operation, waits for fresh credentials where they have expired,
// and scrubs the error.
func call[T any](ctx context.Context, s *Store, op, key string, do func() (T, error)) (T, error) {
	var giveUp time.Time
	for {
		out, err := do()
		if err == nil {
			return out, nil
		}
		f := examine(err)
		first := giveUp.IsZero()
		if !f.isExpired() && (first || !f.credentials) {
			return out, Fault(op, key, err)
		}
		var wait time.Duration
		if first {
			giveUp = time.Now().Add(s.options.CredentialPatience)
		} else {
			wait = min(credentialPause, s.options.CredentialPatience/4)
		}
		if time.Now().Add(wait).After(giveUp) {
			return out, Fault(op, key, err)
		}
		s.credentials.Invalidate()
		s.observe(ExpiredToken, wait)
		if err := pipeline.Sleep(ctx, wait); err != nil {
			return out, Fault(op, key, err)
		}
	}
}
