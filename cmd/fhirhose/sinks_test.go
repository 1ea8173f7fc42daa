package main

import (
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
)

// TestEachPipelineHasSinksOfItsOwn: a sink learns from the cuts of one pipeline
// what no checkpoint needs any more. Two that share one remove each other's tails.
func TestEachPipelineHasSinksOfItsOwn(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	for name, at := range map[string]jobfile.Location{"disk": {Dir: t.TempDir()}, "bucket": {Bucket: "bucket", Prefix: "out"}} {
		for _, of := range []string{"", "tenant"} {
			job := &jobfile.Job{Name: "a", State: t.TempDir()}
			job.Sink.Location = at
			w := wiring{job: job, seen: newObservation(job)}
			sinks, err := w.openSink(t.Context(), t.Context())
			if err != nil {
				t.Fatal(err)
			}
			one, err := sinks.of(of)
			if err != nil {
				t.Fatal(err)
			}
			if other, err := sinks.of(of); err != nil || one == other || one == sinks.Sink {
				t.Errorf("%s, tenant %q: one sink for two pipelines (%v)", name, of, err)
			}
			sinks.close()
		}
	}
}
