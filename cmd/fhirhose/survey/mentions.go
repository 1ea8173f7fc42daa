package survey

import (
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/metrics"
)

// JudgeMentions warns of what records mention that may not hold any more in a target.
// where is " in the sample" before the move has counted all of them, and "" then.
func (r *Result) JudgeMentions(m metrics.Mentions, where string) {
	r.Mentions = &m
	for _, words := range report.Mentions(m) {
		r.Warn("%s%s", words, where)
	}
	if where == "" && m == (metrics.Mentions{}) {
		r.prove("no active Subscription is moved, no reference to a server by its URL, and none to one version of a resource")
	}
}
