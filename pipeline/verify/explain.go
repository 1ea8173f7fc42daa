package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline/digest/diff"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// MostPaths is how many elements are named of one resource.
const MostPaths = 10

// Explained is the answer to the question in which elements a resource of the target
// differs from ours: paths and kinds, or a failure.
type Explained struct {
	Version     uint32            `json:"of_version,omitempty"` // of ours that was compared
	Differences []diff.Difference `json:"differences,omitempty"`
	More        int               `json:"more,omitempty"` // beyond MostPaths
	Failure     Failure           `json:"failure,omitempty"`
}

// Failure says why nothing is named. The list is closed.
type Failure string

// The failures.
const (
	NoFailure Failure = ""
	// UnreadOurs: our line cannot be read, or is not of this resource.
	UnreadOurs Failure = "our line could not be read"
	// UnreadTheirs: the other side does not answer, or not with this resource.
	UnreadTheirs Failure = "the other side could not be read, or has it no longer"
	// TooLarge: it is over 1 MiB without its long strings, or there are too many such
	// for memory.
	TooLarge Failure = "too large to be compared element by element"
	// NotCompared: others came first.
	NotCompared Failure = "not compared element by element: too many at once"
	// NoCounterpart: of a history that lacks versions, or has them in another order.
	NoCounterpart Failure = "no other version stands in the place of ours"
	// Alike: what was found is not there any more.
	Alike Failure = "no difference any more"
)

// Subject is a resource that is explained.
type Subject struct {
	Type, ID string
	Object   string // exported: its line Line, from 1, of this object
	Line     int64

	Explained

	side   side
	ours   *ledger.Entry // the version that is compared
	theirs *diff.Text
}

// Explainer names the elements in which resources differ from what was written: it
// reads the lines of the output again, each file at most once, and what the other
// side has. It never fails for a resource: then its Failure says why. Errors are those
// of the ledger, and ctx.Err(). Of the options Dir, which must exist, Memory, Imported
// and Marks count.
type Explainer struct {
	Options
	Book *ledger.Ledger
	// Open opens a file of the output, by its name below the tenant's folder.
	Open func(ctx context.Context, name string) (io.ReadCloser, error)
}

// Current explains the current versions of resources, as they are now.
func (x *Explainer) Current(ctx context.Context, subjects []*Subject, from Reader) error {
	return x.explain(ctx, subjects, func(e *explaining) error {
		return e.ask(ctx, func(s *Subject) error {
			_, err := from.Read(ctx, s.Type, s.ID, func(body io.Reader) error { return e.hold(s, body) })
			return err
		})
	})
}

// Histories explains of each resource the first version that is not in the other
// side's history as it was written, beside the one that stands in its place.
func (x *Explainer) Histories(ctx context.Context, subjects []*Subject, from Historian) error {
	return x.explain(ctx, subjects, func(e *explaining) error {
		asker, j := newAsker(&x.Options, make(chan struct{}, 1), 0), judge{imported: x.imported()}
		return e.ask(ctx, func(s *Subject) error {
			h, err := asker.history(ctx, s.side, from)
			if err != nil {
				return err
			}
			ours, k := j.counterpart(s.side, h)
			if s.ours = ours; ours == nil {
				s.Failure = NoCounterpart
				return nil
			}
			at := len(h.versions) - 1 - k // the newest comes first
			for body, err := range from.History(ctx, s.Type, s.ID) {
				switch {
				case err != nil:
					return err
				case body == nil:
				case at == 0:
					return e.hold(s, bytes.NewReader(body))
				default:
					at--
				}
			}
			return nil
		})
	})
}

// Exported explains resources by the lines of an export.
func (x *Explainer) Exported(ctx context.Context, subjects []*Subject, export Export) error {
	return x.explain(ctx, subjects, func(e *explaining) error {
		byObject := make(map[string][]placed)
		for _, s := range e.subjects {
			byObject[s.Object] = append(byObject[s.Object], placed{s, s.Line - 1})
		}
		for object, err := range export.Objects(ctx) {
			if err != nil {
				return ctx.Err()
			}
			e.read(ctx, byObject[object.Name], func() (io.ReadCloser, error) { return export.Open(ctx, object, 0) }, e.hold)
		}
		return ctx.Err()
	})
}

// explaining is one call of an Explainer.
type explaining struct {
	*Explainer
	differ   *diff.Differ
	subjects []*Subject // that the ledger knows
	held     int        // bytes of what the other side has
}

func (x *Explainer) explain(ctx context.Context, subjects []*Subject, theirs func(*explaining) error) error {
	e := &explaining{Explainer: x, differ: diff.New(diff.Marks{Extension: x.Marks.isExtension, Tag: x.Marks.isTag})}
	if err := e.find(ctx, subjects); err != nil {
		return err
	}
	if err := theirs(e); err != nil {
		return err
	}
	byFile := make(map[string][]placed)
	for _, s := range e.subjects {
		if s.theirs != nil {
			_, file := s.ours.Place()
			byFile[file] = append(byFile[file], placed{s, int64(s.ours.Line)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byFile)) {
		e.read(ctx, byFile[name], func() (io.ReadCloser, error) { return e.Open(ctx, name) }, e.compare)
	}
	return ctx.Err()
}

// find looks the subjects up in the ledger. The version that is compared is the last
// one, if it was written.
func (e *explaining) find(ctx context.Context, subjects []*Subject) error {
	wanted, known := make(map[string]bool), make(map[string]*Subject)
	for _, s := range subjects {
		s.Explained = Explained{Failure: UnreadOurs}
		wanted[s.ID], known[s.Type+"/"+s.ID] = true, s
	}
	if len(subjects) == 0 {
		return nil
	}
	for r, err := range e.Book.Find(ctx, wanted, e.memory()/2) {
		if err != nil {
			return err
		}
		s := known[string(r.Type)+"/"+string(r.ID)]
		if s == nil {
			continue
		}
		s.side = ownSide(r)
		for i := range s.side.last {
			if s.side.last[i].Written() {
				s.ours = &s.side.last[i]
				s.Failure = UnreadTheirs
				e.subjects = append(e.subjects, s)
				break
			}
		}
	}
	return nil
}

// ask asks for one subject after the other. Where the other side fails for all, the
// rest is not asked for.
func (e *explaining) ask(ctx context.Context, of func(*Subject) error) error {
	for _, s := range e.subjects {
		err := of(s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.theirs = nil // what broke off
			if !refusesOne(err) {
				return nil
			}
		}
	}
	return nil
}

// hold keeps what the other side has of a subject. Errors are those of reading body.
func (e *explaining) hold(s *Subject, body io.Reader) error {
	s.theirs = nil
	text, err := e.differ.Read(body, nil)
	if failed(s, err) {
		_, err = io.Copy(io.Discard, body)
		return err
	}
	switch {
	case err != nil:
		return err
	case !text.Is(s.Type, s.ID):
		return nil
	case e.held+text.Size() > e.memory()/2:
		s.Failure = TooLarge
		return nil
	}
	s.theirs, s.Failure = text, UnreadOurs
	e.held += text.Size()
	return nil
}

// compare compares a subject with our line of it.
func (e *explaining) compare(s *Subject, line io.Reader) error {
	ours, err := e.differ.Read(line, s.theirs)
	switch {
	case failed(s, err):
		return nil
	case err != nil:
		return err
	case !ours.Is(s.Type, s.ID): // the file is not as it was written
		return nil
	}
	s.Version = s.ours.Version
	s.Differences, s.More = e.differ.Compare(s.Type, ours, s.theirs, MostPaths)
	s.Failure = NoFailure
	if len(s.Differences) == 0 {
		s.Failure = Alike
	}
	s.theirs = nil
	return nil
}

// failed tells whether an error is of the text that was read, and says so.
func failed(s *Subject, err error) bool {
	if errors.Is(err, diff.ErrTooLarge) {
		s.Failure = TooLarge
	}
	return errors.Is(err, diff.ErrTooLarge) || errors.Is(err, diff.ErrUnreadable)
}

// counterpart returns a version of ours that is not in a history, and the version
// that stands there instead: the same content with other labels, or else the first one
// that never was ours, and of ours the first that is lost behind what comes before it.
// nil: there are no such two.
func (j *judge) counterpart(s side, h *history) (ours *ledger.Entry, theirs int) {
	wanted, _ := s.sent()
	m := match(wanted, h.versions, sameSums)
	for _, i := range m.lost {
		for k := range h.versions {
			if !m.known[k] && sameContent(wanted[i], &h.versions[k]) {
				return wanted[i], k
			}
		}
	}
	for k := range h.versions {
		if m.known[k] || j.later(&h.versions[k]) {
			continue
		}
		before := -1
		for i, at := range m.at {
			if at >= 0 && at < k {
				before = i
			}
		}
		for _, i := range m.lost {
			if i > before {
				return wanted[i], k
			}
		}
	}
	return nil, 0
}
