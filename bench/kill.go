package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// measureKills kills moves at several moments, lets a second
// process finish, and says what was done twice.
func measureKills(ctx context.Context, s *settings) (string, error) {
	o := mainOptions()
	o.Seed, o.GzipLevel = 3, 1
	in, err := s.generated(ctx, "long", o, 3*int64(s.size)) // several cuts
	if err != nil {
		return "", err
	}
	whole, wall, _, err := s.watchIn(ctx, "kill-none", in, never)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nWithout a kill: %.2f s.\n\n", wall.Seconds())
	b.WriteString("| killed at | share of records | cuts before | records converted twice | that is, s | one cut interval, s | | re-inflated MB | share of the input | from start to the first new record, s | second process s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, share := range []float64{0.4, 0.65, 0.9} {
		k, err := s.killAt(ctx, in, share, longestCut(whole))
		if err != nil {
			return b.String(), err
		}
		fmt.Fprintf(&b, "| %.2f s | %.0f %% | %.0f | %.0f | %.2f | %.2f | %s | %.0f | %.0f %% | %.2f | %.2f |\n", k.last.at.Seconds(),
			100*k.last.records()/float64(in.Items), k.last.cuts(), k.twice, k.twice/k.rate, k.interval.Seconds(), met(k.twice/k.rate <= k.interval.Seconds()),
			float64(k.status.Reinflated)/1e6, 100*float64(k.status.Reinflated)/float64(in.Bytes), k.until.Seconds(), k.wall.Seconds())
		s.say("kill at %.0f %%: %.0f records converted twice, %d MB inflated again", 100*share, k.twice, k.status.Reinflated/1e6)
	}
	fmt.Fprintf(&b, "\nBar: what is converted twice is at most one cut interval: a cut is due 2 s after the last, or 20 times the last cut's duration if that is longer, and the kill may come just before it is committed: for that the longest cut of the run without a kill is added. "+
		"Converted twice: what the first process had read at its last sign of life, less where the second began; the first may have read some ms longer. "+
		"Re-inflated data is not converted again. The run without a kill made %.0f cuts.\n", whole[len(whole)-1].cuts())
	return b.String(), nil
}

// killed is what became of one killed move.
type killed struct {
	last     sample        // the first process's last sign of life
	twice    float64       // records converted by both processes
	rate     float64       // records per second of the first process
	interval time.Duration // one cut interval
	until    time.Duration // from the second process's start to its first new record
	wall     time.Duration // of the second process
	status   runStatus     // the second process's last
}

func (s *settings) killAt(ctx context.Context, in input, share float64, pending time.Duration) (k killed, err error) {
	name := fmt.Sprintf("kill-%.0f", 100*share)
	first, _, died, err := s.watchIn(ctx, name, in, func(one sample) bool { return one.records() >= share*float64(in.Items) })
	if err != nil {
		return k, err
	}
	if !died {
		return k, errors.New("the process ended before it was killed")
	}
	second, wall, _, err := s.watchIn(ctx, name, in, never)
	if err != nil {
		return k, err
	}
	k.last, k.wall = first[len(first)-1], wall
	began, base := startOf(first)
	k.rate = (k.last.records() - base) / (k.last.at - began).Seconds()
	k.until, base = startOf(second)
	k.twice = max(0, k.last.records()-base)
	k.interval = cutInterval(first) + pending
	k.status, err = readRunStatus(filepath.Join(s.work, name))
	return k, err
}

func (s *settings) watchIn(ctx context.Context, name string, in input, enough func(sample) bool) ([]sample, time.Duration, bool, error) {
	out := filepath.Join(s.work, name)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, 0, false, err
	}
	return s.watch(ctx, out, in, enough)
}

// startOf is the moment before the first new record of a process, and the
// records that were there already.
func startOf(samples []sample) (at time.Duration, base float64) {
	for _, one := range samples {
		switch {
		case base == 0 || one.records() == base:
			at, base = one.at, one.records()
		case one.records() > base:
			return at, base
		}
	}
	return at, base
}

// cutInterval is how far apart two cuts may be taken, by the longest that the
// process said it made: see records.Options.
func cutInterval(samples []sample) time.Duration {
	return max(2*time.Second, 20*longestCut(samples))
}

func longestCut(samples []sample) time.Duration {
	longest := 0.0
	for _, one := range samples {
		longest = max(longest, one.values["fhirhose_last_cut_seconds"])
	}
	return time.Duration(longest * float64(time.Second))
}
