package main

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/progress"
	"github.com/fhirhose/fhirhose/metrics"
)

const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 10 * time.Second
)

// newView returns how progress is shown and how often. Log lines go above the
// bar if they share its terminal.
func (c *cli) newView(logs *switchWriter) (progress.View, time.Duration) {
	switch {
	case c.json:
		return &progress.Lines{Out: c.stdout}, lineEvery
	case isTerminal(c.stdout):
		bar := progress.NewBar(c.stdout)
		if isTerminal(c.stderr) {
			logs.switchTo(bar)
		}
		return bar, barEvery
	default:
		return &progress.Plain{Out: c.stdout}, lineEvery
	}
}

// isTerminal tells whether a stream of the process is one.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && progress.IsTerminal(file.Fd())
}

// show draws the status every so often until ctx ends.
func show(ctx context.Context, view progress.View, every time.Duration, status func() metrics.Status) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case at := <-ticker.C:
			s := status()
			view.Show(at, &s)
		}
	}
}

// switchWriter writes to a place that may change.
type switchWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *switchWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func (w *switchWriter) switchTo(to io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}
