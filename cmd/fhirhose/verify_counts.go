package main

import (
	"cmp"
	"context"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// countPauses of the first length are how long a count that differs is asked for
// again: 5 minutes. HealthLake's counts are some 20 s late.
const (
	countPause  = 5 * time.Second
	countPauses = 60
)

// verifyCounts compares numbers of resources. What agrees in number is checked, and
// in no class: equal is more than that.
func verifyCounts(ctx context.Context, v *verifying) error {
	v.result.Reset()
	v.seen.verifying("", func(t *metrics.VerifyTotals) { t.Step = "count" })
	pause := cmp.Or(v.importPause, countPause)
	counted, err := verify.Counts(ctx, v.book, v.destination.store, verify.CountOptions{
		Types: healthlake.ResourceTypes(), Memory: v.memory(), Refused: v.refused, Pause: pause, Patience: countPauses * pause,
		Progress: func(settled, all int) {
			v.seen.verifying("", func(t *metrics.VerifyTotals) { t.ResourcesDone, t.Resources = int64(settled), int64(all) })
		},
	})
	if err != nil {
		return err
	}
	silent := 0
	for name, c := range counted {
		for cause, n := range c.Uncertain {
			v.result.AddUnchecked(name, cause, n)
		}
		if !c.Answered {
			silent++
			v.result.AddUnchecked(name, verify.NoAnswer, c.Live)
			continue
		}
		v.result.Checked += c.Live - c.Missing()
		v.result.Add(name, verify.Missing, c.Missing())
		v.result.Add(name, verify.Extra, c.Extra())
	}
	if silent > 0 {
		v.log.Warn("the data store does not count resources of some types", "types", silent)
	}
	return nil
}
