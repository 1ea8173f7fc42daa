package convert

import (
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

// reference copies a string as member does, whose name ends like that of a
// reference.
func (c *Converter) reference(i, o, k int) (int, int, int) {
	from := k + 1
	if i, o, k = c.tape.String(i+7, o+2, k+2); i >= 0 {
		c.tape.Refer(from, k)
	}
	return i, o, k
}

// mentions is what a record that is written mentions.
func (c *Converter) mentions(r *Record) metrics.Mentions {
	to := c.tape.References
	m := metrics.Mentions{AbsoluteReferences: to.Absolute, VersionedReferences: to.Versioned}
	if string(r.Type) == "Subscription" && r.Status != pipeline.Deleted && c.isActive() {
		m.ActiveSubscriptions = 1
	}
	return m
}

// isActive looks at the status of a Subscription.
func (c *Converter) isActive() bool {
	const name = "status"
	at, found := canon.Place(c.row.content, name)
	if !found {
		return false
	}
	value := c.row.content[at+len(`"":`)+len(name):]
	value = value[:canon.Element(value)]
	return string(value) == `"active"` || string(value) == `"requested"`
}
