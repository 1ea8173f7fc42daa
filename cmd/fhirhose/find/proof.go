package find

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// Verified is what a verification has said of a resource.
type Verified struct {
	Mode   string    `json:"mode"`
	Ended  time.Time `json:"ended,omitzero"` // zero: it is under way
	Class  string    `json:"class"`
	Cause  string    `json:"cause,omitempty"`
	Object string    `json:"object,omitempty"` // of the target's export
	Line   int64     `json:"line,omitempty"`   // in it, from 1

	*verify.Explained // what differs; nil: the verification has not compared it element by element
}

// Live is what the target says now.
type Live struct {
	Class string `json:"class"`
	Cause string `json:"cause,omitempty"`

	*verify.Explained // what differs; nil: nothing was compared
}

// Deletion is what became of a delete in the target.
type Deletion struct {
	Done   bool   `json:"done"`             // it is gone
	Reason string `json:"reason,omitempty"` // why it is not
}

// Target is a data store that is asked now.
type Target struct {
	Reader verify.Reader
	Asker  *verify.Asker
	// Explainer says what differs; at most verification.MostExplained at once.
	Explainer *verify.Explainer
}

// explain says of what the target holds in what elements it is not ours.
func (t *Target) explain(ctx context.Context, found map[string][]*Answer) error {
	var subjects []*verify.Subject
	for _, id := range slices.Sorted(maps.Keys(found)) {
		for _, a := range found[id] {
			if a.Live == nil || !verification.IsExplainable(a.Live.Class) {
				continue
			}
			if len(subjects) == verification.MostExplained {
				a.Live.Explained = &verify.Explained{Failure: verify.NotCompared}
				continue
			}
			s := &verify.Subject{Type: a.Type, ID: a.ID}
			a.Live.Explained = &s.Explained
			subjects = append(subjects, s)
		}
	}
	if len(subjects) == 0 {
		return nil
	}
	return t.Explainer.Current(ctx, subjects, t.Reader)
}

// ask asks the target for a resource of the ledger.
func (t *Target) ask(ctx context.Context, r *ledger.Resource) (*Live, error) {
	if t == nil {
		return nil, nil
	}
	class, cause, err := t.Asker.Current(ctx, r, t.Reader)
	if err != nil {
		return nil, err
	}
	return &Live{Class: class.String(), Cause: cause.String()}, nil
}

// askUnknown asks the target for a resource that the ledger does not know.
func (t *Target) askUnknown(ctx context.Context, q Question) (*Live, error) {
	if t == nil || q.Type == "" {
		return nil, nil
	}
	exists, err := verify.Exists(ctx, q.Type, q.ID, t.Reader)
	if err != nil || !exists {
		return nil, err
	}
	return &Live{Class: verify.Extra.String()}, nil
}

// addVerified adds what verifications have found, and what became of deletes.
func (f *Finder) addVerified(ctx context.Context, found map[string][]*Answer) error {
	byName := make(map[string]*Answer)
	for _, answers := range found {
		for _, a := range answers {
			byName[a.Type+"/"+a.ID] = a
		}
	}
	for _, r := range f.Verified {
		err := r.EachFinding(f.State, func(line *verification.Finding) error {
			if a := byName[line.Type+"/"+line.ID]; a != nil {
				a.Verified = append(a.Verified, Verified{r.Mode, r.Ended, line.Class, line.Cause, line.Object, line.Line, line.Explained})
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	if !f.DeletesOver {
		return nil
	}
	for _, a := range byName {
		if a.Fate == ledger.Deleted.String() {
			a.Deletion = &Deletion{Done: true}
		}
	}
	type kept struct{ Type, ID, Reason string }
	return statedir.EachLine(f.DeletesKept, func(line *kept) error {
		if a := byName[line.Type+"/"+line.ID]; a != nil {
			a.Deletion = &Deletion{Reason: line.Reason}
		}
		return ctx.Err()
	})
}
