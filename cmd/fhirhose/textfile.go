package main

import (
	"context"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
)

const textfileEvery = 15 * time.Second

// writeTextfiles renews the file of --metrics-textfile until ctx ends.
func (r *running) writeTextfiles(ctx context.Context) error {
	r.writeTextfile()
	ticker := time.NewTicker(textfileEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			r.writeTextfile()
		}
	}
}

// writeTextfile warns where it cannot write: metrics never stop a move.
func (r *running) writeTextfile() {
	if r.textfile == "" {
		return
	}
	if err := metrics.WriteTextfile(r.textfile, r.registry); err != nil {
		r.log.Warn("metrics were not written", "error", err)
	}
}
