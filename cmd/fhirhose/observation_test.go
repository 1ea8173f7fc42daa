package main

import (
	"testing"
	"time"

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

// TestObservationOfVerification: a verification that asks its target gets on.
func TestObservationOfVerification(t *testing.T) {
	o := newObservation(&jobfile.Job{Name: "a", State: t.TempDir()})
	if s := o.status(); s.Verify != nil || s.Ready(time.Now()) {
		t.Errorf("%+v", s)
	}
	o.verifying("export 17", func(v *metrics.VerifyTotals) { v.Step, v.Classes["equal"] = "export", 1 })
	s := o.status()
	o.verifying("", func(v *metrics.VerifyTotals) { v.Classes["equal"] = 2 })
	if !s.Ready(time.Now()) || s.Phase != metrics.PhaseVerifying || s.WaitingFor != "export 17" || s.Verify.Step != "export" || s.Verify.Classes["equal"] != 1 {
		t.Errorf("%+v", s)
	}
}
