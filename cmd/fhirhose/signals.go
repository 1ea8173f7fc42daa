package main

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
)

// stopping tells a verb that the operator wants it to end: at the first signal
// it drains, at the second its context is cancelled.
type stopping struct {
	soft  chan struct{} // closed at the first signal
	first atomic.Pointer[os.Signal]
	done  func() // ends the watch
}

// watch returns a context that the second signal cancels.
func watch(ctx context.Context, signals <-chan os.Signal) (context.Context, *stopping) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stopping{soft: make(chan struct{})}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for received := 0; received < 2; received++ {
			select {
			case <-ctx.Done():
				return
			case signal := <-signals:
				if received == 0 {
					s.first.Store(&signal)
					close(s.soft)
				}
			}
		}
		cancel()
	}()
	s.done = func() { cancel(); <-finished }
	return ctx, s
}

// signal returns the first signal, nil if there was none.
func (s *stopping) signal() os.Signal {
	if first := s.first.Load(); first != nil {
		return *first
	}
	return nil
}

// stopped tells whether err is what a signal made of the work, and no more.
func (s *stopping) stopped(err error) bool {
	_, explained := errors.AsType[ended](err)
	return s.signal() != nil && errors.Is(err, context.Canceled) && !explained
}

// atOnce returns a context that already the first signal cancels, for verbs
// that have nothing to drain.
func (s *stopping) atOnce(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-s.soft:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
