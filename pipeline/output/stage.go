package output

import (
	"sync/atomic"
	"time"
)

// Stage measures one stage of a pipeline, for the operator.
type Stage struct {
	Name  string
	Queue func() (length, capacity int)
	busy  atomic.Int64 // nanoseconds, finished pieces of work
}

// Start begins a piece of work; the function that it returns ends it.
func (s *Stage) Start() (stop func()) {
	begin := time.Now()
	return func() { s.busy.Add(int64(time.Since(begin))) }
}

// Busy is how long the stage has worked, all its goroutines together.
func (s *Stage) Busy() time.Duration { return time.Duration(s.busy.Load()) }
