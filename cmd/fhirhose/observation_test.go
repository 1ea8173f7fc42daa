package main

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/metrics"
)

// TestStatusIsWrittenByBothPipelines: each renews it at its cuts, also at the
// same moment.
func TestStatusIsWrittenByBothPipelines(t *testing.T) {
	seen := newObservation(&jobfile.Job{Name: "a", State: t.TempDir()})
	var pipelines errgroup.Group
	for range 2 {
		pipelines.Go(func() error {
			for range 30 {
				if err := seen.write(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := pipelines.Wait(); err != nil {
		t.Fatal(err)
	}
	if s, err := metrics.ReadStatus(seen.job.State); err != nil || s.Job != "a" {
		t.Errorf("%+v, %v", s, err)
	}
}
