package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// measureTail watches moves of objects of very different sizes. The lane tail
// is the time in which one lane alone still reads: from the moment at which the
// last but one object is done to that at which the last is.
func measureTail(ctx context.Context, s *settings) (string, error) {
	var b strings.Builder
	b.WriteString("\n| objects | run | wall s | last lane alone, s | share of the run | converts s (all workers) | merge busy s | merge / wall |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	var last runStatus
	var size int64
	for _, shape := range []struct {
		name   string
		change func(*generate.Options)
	}{
		{"16, even", func(*generate.Options) {}},
		{"16, 1:50", func(o *generate.Options) { o.Skew = 50 }},
		{"64, 1:50", func(o *generate.Options) { o.Skew, o.Objects = 50, 64 }},
	} {
		o := mainOptions()
		shape.change(&o)
		name := "main"
		if o.Skew > 1 {
			name = fmt.Sprintf("uneven-%d", o.Objects)
		}
		in, err := s.generated(ctx, name, o, int64(s.size))
		if err != nil {
			return b.String(), err
		}
		for run := range 2 {
			out := filepath.Join(s.work, fmt.Sprintf("tail-%s-%d", name, run))
			if err := os.MkdirAll(out, 0o755); err != nil {
				return b.String(), err
			}
			samples, wall, _, err := s.watch(ctx, out, in, never)
			if err != nil {
				return b.String(), err
			}
			if last, err = readRunStatus(out); err != nil {
				return b.String(), err
			}
			size = in.Bytes
			alone := tailOf(samples)
			merge := last.busyOf("merge")
			fmt.Fprintf(&b, "| %s | %d | %.2f | %.2f | %.1f %% | %.2f | %.2f | %.1f %% |\n", shape.name, run+1, wall.Seconds(),
				alone.Seconds(), 100*alone.Seconds()/wall.Seconds(), last.busyOf("convert"), merge, 100*merge/wall.Seconds())
			s.say("uneven: %s, run %d: %.2f s, last lane alone %.2f s", shape.name, run+1, wall.Seconds(), alone.Seconds())
		}
	}
	b.WriteString("\nBar: the last lane alone at most 10 % of the run. Sampled every 10 ms while it runs.\n")
	b.WriteString(paperEstimate(last, size))
	return b.String(), nil
}

// tailOf is how long the last object was the only one left.
func tailOf(samples []sample) time.Duration {
	var alone, done time.Duration
	for _, one := range samples {
		objects, finished := one.values["fhirhose_objects"], one.values["fhirhose_objects_done_total"]
		switch {
		case objects == 0 || finished < objects-1:
			alone = one.at
		case finished < objects:
			done = one.at
		}
	}
	return max(0, done-alone)
}

// paperEstimate says what the merge, the only stage that is one goroutine for
// all, would allow on 64 cores.
func paperEstimate(r runStatus, bytes int64) string {
	gb := float64(bytes) / 1e9
	perGB := r.busyOf("merge") / gb
	work := (r.busyOf("inflate") + r.busyOf("convert")) / gb
	if perGB <= 0 || work <= 0 {
		return ""
	}
	return fmt.Sprintf("\nOn paper, for 64 cores: inflating and converting cost %.2f core seconds per GB, so 64 cores would feed %.1f GB/s; "+
		"the merge is busy %.3f s per GB, so it would be the limit at %.1f GB/s (at %.0f cores). It divides the time in which goroutines worked, which includes waiting for a core and so counts too much for both on a busy machine; it says nothing of memory bandwidth or disks.\n",
		work, 64/work, perGB, 1/perGB, work/perGB)
}
