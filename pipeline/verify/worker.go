package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// worker digests one object after the other into runs of its own.
type worker struct {
	*digester
	lines   lineReader
	scanner *scanner
	long    *longText
	line    resource // of the current line

	tuples  []tuple
	names   map[string]uint16 // of types, to their numbers in the run
	types   []string
	cells   []*cells
	extents []extent
	bytes   int64 // read since the last run
	count   int64 // lines
}

func newWorker(d *digester, number int) *worker {
	return &worker{
		digester: d,
		lines:    lineReader{turn: d.turn, longest: longestLine, buf: make([]byte, bufferBytes+canon.Room)},
		scanner:  newScanner(&d.options.Marks),
		long:     newLongText(filepath.Join(d.options.Dir, fmt.Sprintf("long-%d%s", number, temporary))),
		tuples:   make([]tuple, 0, d.options.tuples()),
		names:    make(map[string]uint16),
	}
}

func (w *worker) run(ctx context.Context, tasks <-chan task) error {
	defer w.lines.release()
	for t := range tasks {
		if err := w.object(ctx, t); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.seal()
}

// object digests what is left of one object.
func (w *worker) object(ctx context.Context, t task) (err error) {
	in, err := w.export.Open(ctx, t.object, t.extent.To)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	w.lines.reset(in, t.extent.To)
	e := t.extent
	e.From = e.To
	for {
		more, err := w.next(ctx, &t.object, &e)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if w.full(e.To - e.From) {
			w.keep(&e)
			if err := w.seal(); err != nil {
				return err
			}
		}
	}
	if e.To != t.object.Size {
		return otherSize(&t.object, e.To)
	}
	w.keep(&e)
	return nil
}

// next digests the next line and moves the end of e behind it.
func (w *worker) next(ctx context.Context, object *Object, e *extent) (more bool, err error) {
	line, long, err := w.lines.next(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, err
	case long:
		if err := w.scanner.scanLong(ctx, &w.lines, w.long, &w.line); err != nil {
			return false, err
		}
	case isBlank(line): // no resource, and nothing that could be one
		e.To = w.lines.offset
		e.Lines++
		return true, nil
	default:
		w.scanner.scan(line, &w.line)
	}
	if at := w.lines.offset; at > object.Size || w.lines.cut && at != object.Size {
		return false, otherSize(object, at)
	}
	w.add(e)
	if long || len(line) > longLine {
		w.scanner.shrink()
	}
	e.To = w.lines.offset
	e.Lines++
	return true, nil
}

// otherSize says that a line ends where it cannot, by the listed size.
func otherSize(object *Object, at int64) error {
	return changed(object.Name, fmt.Sprintf("its last line ends at byte %d, the listing says %d", at, object.Size))
}

func isBlank(line []byte) bool {
	for _, b := range line {
		if b != ' ' && b != '\t' && b != '\r' {
			return false
		}
	}
	return true
}

// add adds what is known of the line, number e.Lines of its object, to the run.
func (w *worker) add(e *extent) {
	r := &w.line
	w.count++
	t := tuple{updated: r.updated, object: e.Object, line: uint32(min(e.Lines, math.MaxUint32)), reason: uint8(r.reason)}
	if !r.identified() {
		t.flags = flagAnonymous
		w.tuples = append(w.tuples, t)
		return
	}
	t.key, t.typ = keyOf(r.id), w.typeNumber(r.typ)
	cell := &w.cells[t.typ][t.key.lead()]
	if r.reason != pipeline.NoReason {
		t.flags = flagUnreadable
		cell.content.Count++ // of a resource that has no digest: no sum agrees
		w.tuples = append(w.tuples, t)
		return
	}
	if r.generated {
		t.flags = flagGenerated
	}
	t.content, t.label, t.form = r.sums.Content, r.sums.Label, r.sums.Form
	cell.content.Add(r.typ, r.id, &t.content)
	cell.label.Add(r.typ, r.id, &t.label)
	cell.forms.add(&t.content, t.form)
	w.tuples = append(w.tuples, t)
	if r.marked {
		t.flags |= flagBare
		t.content, t.label = r.bare.Content, r.bare.Label
		w.tuples = append(w.tuples, t)
	}
}

func (w *worker) typeNumber(name []byte) uint16 {
	if n, ok := w.names[string(name)]; ok {
		return n
	}
	n := uint16(len(w.types))
	w.types = append(w.types, string(name))
	w.names[w.types[n]] = n
	if len(w.cells) < len(w.types) {
		w.cells = append(w.cells, new(cells))
	}
	return n
}

// full tells whether the run should end, read being what was read of the
// current object. There is room for one line more, and for its type.
func (w *worker) full(read int64) bool {
	return len(w.tuples)+2 > cap(w.tuples) || w.bytes+read >= runBytes || len(w.types) >= w.options.types()
}

// keep notes that e is in the run, and goes on behind it.
func (w *worker) keep(e *extent) {
	if e.To > e.From {
		w.extents = append(w.extents, *e)
		w.bytes += e.To - e.From
	}
	e.From = e.To
}

// seal makes the run durable and begins a new one.
func (w *worker) seal() error {
	if len(w.extents) == 0 {
		return nil
	}
	slices.SortFunc(w.tuples, func(a, b tuple) int { return a.compare(&b) })
	f := footer{Marks: w.options.Marks.fingerprint(), Types: w.types, Extents: w.extents}
	f.setCells(w.cells[:len(w.types)])
	out := newRunWriter(w.options.Dir, int(w.number.Add(1)))
	for i := range w.tuples {
		if err := out.add(&w.tuples[i]); err != nil {
			return durable.Failure("write", "run of a verification", err)
		}
	}
	if err := out.finish(&f); err != nil {
		return durable.Failure("write", "run of a verification", err)
	}
	if report := w.options.Digested; report != nil {
		report(w.count, w.bytes)
	}
	for _, c := range w.cells {
		*c = cells{}
	}
	clear(w.names)
	w.tuples, w.types, w.extents = w.tuples[:0], w.types[:0], w.extents[:0]
	w.bytes, w.count = 0, 0
	return nil
}
