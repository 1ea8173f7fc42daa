// Package metrics is what an operator sees: [Status], the one model of a job's
// progress, and the Prometheus collector that exposes it. It imports none of
// our packages, so that every layer may report into it.
package metrics
