package main

import (
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/sinks/bucket"
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

// I7: what the sink holds in memory is not given to the pipelines as well, and where
// memory is scarce, or there is no bucket, that is nothing.
func TestHotParts(t *testing.T) {
	to := jobfile.Location{Bucket: "b"}
	for _, c := range []struct {
		to     jobfile.Location
		memory int64
		want   int
	}{{to, 128 << 20, 0}, {to, 256<<20 - 1, 0}, {to, 256 << 20, 4}, {to, 512 << 20, 8}, {to, 8 << 30, 8}, {jobfile.Location{Dir: "/d"}, 8 << 30, 0}} {
		job := &jobfile.Job{Name: "j", Limits: jobfile.Limits{Memory: c.memory}, Sink: jobfile.Sink{Location: c.to}}
		if got := hotParts(job); got != c.want {
			t.Errorf("%d MiB, %v: %d parts, want %d", c.memory>>20, c.to, got, c.want)
		}
		if o := recordOptions(job); o.Memory != c.memory || o.Beside != int64(c.want)*bucket.PartBytes {
			t.Errorf("%d MiB: %d MiB for all, %d MiB beside", c.memory>>20, o.Memory>>20, o.Beside>>20)
		}
	}
}
