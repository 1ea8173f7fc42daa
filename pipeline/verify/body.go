package verify

import (
	"context"
	"io"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

// Digester computes the digests of resources as the target has them. Its buffers
// are reused: one per goroutine.
type Digester struct {
	asker *asker
	forms [2]digest.Sums
}

// NewDigester returns a digester that knows the target's marks, which must not
// change.
func NewDigester(marks *Marks) *Digester {
	return &Digester{asker: &asker{
		lines:   lineReader{turn: make(chan struct{}, 1), longest: longestLine, buf: make([]byte, bufferBytes+canon.Room)},
		scanner: newScanner(marks),
	}}
}

// Sums returns the digests under which a resource may be ours: as it stands and, if
// it bears marks of the target, without them. They are valid until the next call. A
// body that is no strict JSON of a resource has a reason. The body may be changed.
func (d *Digester) Sums(body []byte) ([]digest.Sums, pipeline.Reason) {
	d.asker.scanner.scan(body, &d.asker.line)
	return d.read()
}

// Read is Sums of a body of any length, if all of it but one string in base64 fits
// into 16 MiB. Such a string goes to the file path, which is removed. Errors are those
// of body and of the file, the latter pipeline.Errors.
func (d *Digester) Read(ctx context.Context, body io.Reader, path string) ([]digest.Sums, pipeline.Reason, error) {
	d.asker.long = newLongText(path)
	defer d.asker.lines.release()
	large, err := d.asker.read(ctx, body)
	if err != nil {
		return nil, pipeline.NoReason, err
	}
	forms, reason := d.read()
	if large {
		d.asker.scanner.shrink()
	}
	return forms, reason, nil
}

// read returns what the asker has read.
func (d *Digester) read() ([]digest.Sums, pipeline.Reason) {
	r := &d.asker.line
	if r.reason != pipeline.NoReason {
		return nil, r.reason
	}
	d.forms[0] = r.sums
	if !r.marked {
		return d.forms[:1], pipeline.NoReason
	}
	d.forms[1] = r.bare
	return d.forms[:], pipeline.NoReason
}
