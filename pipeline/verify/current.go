package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Reader asks a target for the current version of a resource. It is used by
// several goroutines. Its errors are pipeline.Errors, repeated for a while where
// that may help.
type Reader interface {
	// Read gives the body of the resource, JSON, to take, and tells whether there
	// is one. If the body breaks off, or take fails, it may call take again with
	// the whole of it.
	Read(ctx context.Context, resourceType, id string, take func(body io.Reader) error) (exists bool, err error)
}

// Current compares the current version of each resource of the share with the
// ledger. It goes on from p, and tells in p how far it came. All goroutines have
// ended when it returns.
func (q *Inquiry) Current(ctx context.Context, book *ledger.Ledger, target Reader, p *Progress) error {
	j := judge{imported: q.imported(), refused: q.Refused}
	return q.run(ctx, book, func(ctx context.Context, a *asker, s side) (verdict, error) {
		out, _, err := a.current(ctx, &j, s, target)
		return out, err
	}, []Class{Missing, KnownStale, DeletedPresent}, p)
}

// AtSource compares the live source with the ledger, as Current does with the
// target; Options.Imported is the moment that the export shows. What differs and
// was written later, and what is gone, is [ChangedAtSource].
func (q *Inquiry) AtSource(ctx context.Context, book *ledger.Ledger, live Reader, p *Progress) error {
	j := judge{imported: q.imported()}
	return q.run(ctx, book, func(ctx context.Context, a *asker, s side) (verdict, error) {
		out, f, err := a.current(ctx, &j, s, live)
		gone := f == nil && s.Fate == ledger.Live
		later := f != nil && f.lines > 0 && !out.class.OK() && j.later(f)
		if err == nil && (gone || later) {
			out.class, out.cause = ChangedAtSource, NoCause
		}
		return out, err
	}, nil, p)
}

// current asks for the current version of a resource, and judges it. f is what was
// answered, nil if there is none.
func (a *asker) current(ctx context.Context, j *judge, s side, from Reader) (out verdict, f *found, err error) {
	exists, err := from.Read(ctx, string(s.Type), string(s.ID), a.take(ctx, s, func(of *found) { f = of }))
	switch {
	case err != nil:
		return out, nil, err
	case !exists:
		f = nil // what an attempt before gave
		out.class, out.cause = j.absent(s)
	case f == nil:
		return out, nil, &pipeline.Error{Op: "read", Object: "a resource", Kind: pipeline.KindFatal, Err: errors.New("it exists, and has no body")}
	default:
		out.class, out.cause = j.present(s, f)
		out.reason = pipeline.Reason(f.first.reason)
	}
	return out, f, nil
}

// asker reads bodies, one at a time.
type asker struct {
	lines   lineReader
	scanner *scanner
	long    *longText
	line    resource
	local   error // what failed here, not at the target
}

func newAsker(o *Options, turn chan struct{}, number int) *asker {
	return &asker{
		lines:   lineReader{turn: turn, longest: longestLine, buf: make([]byte, bufferBytes+canon.Room)},
		scanner: newScanner(&o.Marks),
		long:    newLongText(filepath.Join(o.Dir, fmt.Sprintf("long-%d%s", number, temporary))),
	}
}

// take returns a function that reads a body of resource s and passes on what it
// says. Errors of reading the body are returned as they are.
func (a *asker) take(ctx context.Context, s side, pass func(*found)) func(io.Reader) error {
	a.local = nil
	return func(body io.Reader) error {
		defer a.lines.release()
		large, err := a.read(ctx, body)
		if err != nil {
			if _, ours := errors.AsType[*pipeline.Error](err); ours {
				a.local = err
			}
			return err
		}
		if r := &a.line; r.reason == pipeline.NoReason && (!bytes.Equal(r.typ, s.Type) || !bytes.Equal(r.id, s.ID)) {
			r.reason = pipeline.BadID // it is another resource
		}
		pass(a.line.found())
		if large {
			a.scanner.shrink()
		}
		return nil
	}
}

// read reads a body into a.line, and tells whether that took large buffers.
func (a *asker) read(ctx context.Context, body io.Reader) (large bool, err error) {
	a.lines.reset(oneLine{body}, 0)
	line, long, err := a.lines.next(ctx)
	switch {
	case errors.Is(err, io.EOF):
		a.line = resource{reason: pipeline.NotJSON, updated: ledger.UnknownTime}
	case err != nil:
		return false, err
	case long:
		if err := a.scanner.scanLong(ctx, &a.lines, a.long, &a.line); err != nil {
			return true, err
		}
	default:
		a.scanner.scan(line, &a.line)
	}
	return long || len(line) > longLine, nil
}

// oneLine makes a line of a body: a line end is white space in JSON, and so is a
// tab; within a string neither may stand.
type oneLine struct{ io.Reader }

func (r oneLine) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	for rest := p[:n]; ; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return n, err
		}
		rest[i] = '\t'
		rest = rest[i+1:]
	}
}

// found is what the line says, to be judged.
func (r *resource) found() *found {
	t := tuple{updated: r.updated, reason: uint8(r.reason)}
	if r.reason != pipeline.NoReason {
		t.flags = flagUnreadable
	} else {
		t.content, t.label, t.form = r.sums.Content, r.sums.Label, r.sums.Form
	}
	if r.generated {
		t.flags |= flagGenerated
	}
	f := newFound(&t)
	f.add(&t)
	if r.marked {
		t.flags |= flagBare
		t.content, t.label = r.bare.Content, r.bare.Label
		f.add(&t)
	}
	return &f
}
