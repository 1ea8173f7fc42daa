package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Labels are the closed sets that label values come from; a value outside its
// set is exposed as "other". Resource types, stages, waits and phases are known
// here.
type Labels struct {
	Reasons []string // why a record was filtered or quarantined
	Retries []string // causes of a retry
	Classes []string // of a verification
}

// Collector exposes a [Status] to Prometheus. It keeps no counter of its own:
// each scrape takes one snapshot, so that all values of a scrape agree.
type Collector struct {
	status   func() Status
	now      func() time.Time
	labels   labelSets
	families []family
	descs    []*prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a collector over status, which is called once per
// scrape, from any goroutine.
func NewCollector(status func() Status, labels Labels) *Collector {
	c := &Collector{status: status, now: time.Now, labels: newLabelSets(labels), families: families()}
	for _, f := range c.families {
		c.descs = append(c.descs, prometheus.NewDesc(namespace+f.name, f.help, f.labels, nil))
	}
	return c
}

// NewRegistry returns a registry of its own with the job's collector and those
// of the Go runtime and of the process.
func NewRegistry(c *Collector) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// Describe sends the description of every family.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		out <- desc
	}
}

// Collect sends every sample of one snapshot.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s := c.status()
	view := snapshot{Status: &s, now: c.now(), labels: c.labels}
	for i, f := range c.families {
		f.collect(view, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(c.descs[i], f.kind, value, labels...)
		})
	}
}

// snapshot is what a family reads its samples from.
type snapshot struct {
	*Status
	now    time.Time
	labels labelSets
}

// age is the seconds since moment, or -1 if it has not come yet.
func (v snapshot) age(moment time.Time) float64 {
	if moment.IsZero() {
		return -1
	}
	return max(0, v.now.Sub(moment).Seconds())
}

// labelSets folds what is outside a closed set into one label, so that the
// number of series is bounded whatever a table holds (I10).
type labelSets struct{ reasons, retries, classes map[string]bool }

func newLabelSets(l Labels) labelSets {
	return labelSets{reasons: set(l.Reasons), retries: set(l.Retries), classes: set(l.Classes)}
}

func set(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// fold sums counts by label; each label of the set appears, zero or not, so
// that a rate over it is defined from the first scrape.
func fold(closed map[string]bool, counts map[string]int64) map[string]int64 {
	folded := make(map[string]int64, len(closed)+1)
	for name := range closed {
		folded[name] = 0
	}
	for name, n := range counts {
		if !closed[name] {
			name = Other
		}
		folded[name] += n
	}
	return folded
}
