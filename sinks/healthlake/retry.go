package healthlake

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	attemptTimeout = 2 * time.Minute // one attempt with its answer
	longestPause   = 30 * time.Second
)

// startError marks the refusal of a start.
type startError struct{ err error }

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// persist does something until it succeeds, fails for good, or patience ends.
// Its error is scrubbed; a cancelled context is returned as such.
func persist[T any](ctx context.Context, s *Store, op, object string, do func(context.Context) (T, error)) (T, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.MaxInterval = longestPause
	began, denied := time.Now(), false
	out, err := backoff.Retry(ctx, func() (T, error) {
		out, err := do(ctx)
		if err == nil {
			return out, nil
		}
		f := examine(err)
		patience := time.Duration(0)
		switch {
		case f.isExpired(): // somebody may log in again
			s.credentials.Invalidate()
			patience = s.options.CredentialPatience
		case (f.isForbidden() || f.isSkew()) && !denied:
			// An expired session, maybe; or the clock was set, and the SDK has learnt
			// from this answer by how much.
			s.credentials.Invalidate()
			denied, patience = true, s.options.Patience
		case f.isTransient():
			patience = s.options.Patience
		case f.starting && f.maySettle():
			patience = s.options.Settling
		}
		if time.Since(began) >= patience {
			return out, backoff.Permanent(err)
		}
		return out, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0))
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	return out, fault(op, object, err)
}
