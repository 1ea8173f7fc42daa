package verify

import (
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
)

// Digester computes the digests of resources as the target has them. Its buffers
// are reused: one per goroutine.
type Digester struct {
	scanner *scanner
	read    resource
	forms   [2]digest.Sums
}

// NewDigester returns a digester that knows the target's marks, which must not
// change.
func NewDigester(marks *Marks) *Digester { return &Digester{scanner: newScanner(marks)} }

// Sums returns the digests under which a resource may be ours: as it stands and, if
// it bears marks of the target, without them. They are valid until the next call. A
// body that is no strict JSON of a resource has a reason. The body may be changed.
func (d *Digester) Sums(body []byte) ([]digest.Sums, pipeline.Reason) {
	d.scanner.scan(body, &d.read)
	if d.read.reason != pipeline.NoReason {
		return nil, d.read.reason
	}
	d.forms[0] = d.read.sums
	if !d.read.marked {
		return d.forms[:1], pipeline.NoReason
	}
	d.forms[1] = d.read.bare
	return d.forms[:], pipeline.NoReason
}
