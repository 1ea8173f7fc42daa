package binaries

import (
	"context"
	"errors"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// converted is a stub and, if its row is to be written, what follows from the
// source line: see [convert.Record].
type converted struct {
	stub.Stub

	Mentions      metrics.Mentions
	HasData       bool     // the line has its content: Before and After are empty
	Content       [32]byte // content digest of the line as it is
	Label         [32]byte // label digest
	Form          uint32   // number form
	Line          []byte   // FHIR NDJSON
	Before, After []byte
}

// rows reads stubs and converts their source lines, as the record pipeline has
// done to count them. Doing it twice costs less than three texts of each row in
// `state`, for as long as the bucket is behind.
type rows struct {
	stubs     *stub.Follower
	converter *convert.Converter
	record    convert.Record
	line      []byte
}

// follow reads the rows behind the last cut. They have passed the filters of the
// job, so their converter has none.
func (p *Pipeline) follow(ctx context.Context) (*rows, error) {
	converter, err := convert.New(convert.Options{Tenant: p.options.Tenant, Deleted: true, BinaryField: p.options.Field})
	if err != nil {
		return nil, err
	}
	return &rows{stubs: p.feed.Stubs(ctx, p.past.Position), converter: converter}, nil
}

// next reads the next row into c, whose slices are valid until the next call. At
// the end it returns io.EOF.
func (r *rows) next(c *converted) error {
	r.shrink()
	*c = converted{}
	if err := r.stubs.Next(&c.Stub); err != nil || c.Reason != pipeline.NoReason {
		return err
	}
	of := &r.record
	r.line = r.converter.Convert(r.line[:0], c.Raw, of)
	if of.Reason != pipeline.NoReason || string(of.Type) != binaryType {
		return output.Damaged(errors.New("a stored row is no Binary that the job writes"))
	}
	c.HasData, c.Content, c.Label, c.Form, c.Mentions = of.HasData, of.Content, of.Label, of.Form, of.Mentions
	c.Line, c.Before, c.After = r.line, of.Before, of.After
	return nil
}

// shrink gives back what a long row has needed.
func (r *rows) shrink() {
	if cap(r.line) > keptRow {
		r.line = nil
		r.converter.Shrink()
	}
}

// keptRow is the largest buffer that is kept.
const keptRow = 128 << 10
