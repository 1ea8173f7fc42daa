package deleting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// outcome is what became of a candidate. Its text is the reason in the file of what
// was not deleted; a refusal has the status behind it.
type outcome string

const (
	undecided outcome = ""
	deleted   outcome = "deleted"
	gone      outcome = "gone"
	changed   outcome = "changed-after-import"
	unchecked outcome = "not-checked"
	refused   outcome = "refused"
	unsettled outcome = "unsettled"
	ambiguous outcome = "ambiguous"
)

// candidate is a resource that is deleted in the source, or may be.
type candidate struct {
	Resource
	n       int64 // its number in the ledger's order of candidates
	outcome outcome
	status  int // of a refusal

	contents  [][32]byte // digests of what is ours
	arrived   bool       // the target has taken all that we sent of it
	large     bool       // it is to be read alone
	version   string     // the target's, to be deleted
	ready     bool       // it was looked at, and is to be deleted
	conflicts int        // how often it was another version then
}

// candidateOf judges a resource of the ledger; nil: it is not deleted in the source.
// The checkpoint counts on it: candidates are known by their numbers.
func (d *Deleter) candidateOf(r *ledger.Resource) *candidate {
	last := lastRows(r)
	if !slices.ContainsFunc(last, func(e ledger.Entry) bool { return e.Status == pipeline.Deleted }) {
		return nil
	}
	c := &candidate{Resource: Resource{string(r.Type), string(r.ID)}}
	switch {
	case r.Deletable():
		c.contents = d.ours(r, &last[0])
		c.arrived = !slices.ContainsFunc(r.Versions, func(e ledger.Entry) bool { return e.Written() && d.mayHaveRefused(&e) })
	case r.Fate == ledger.Deleted:
		c.outcome = ambiguous
	case slices.ContainsFunc(r.Versions, func(e ledger.Entry) bool { return e.Written() }):
		c.outcome = unsettled
	default: // nothing of it was written, so the target has nothing of ours
		return nil
	}
	return c
}

// lastRows returns the committed rows of the highest committed version.
func lastRows(r *ledger.Resource) []ledger.Entry {
	var last []ledger.Entry
	for _, e := range slices.Backward(r.Versions) {
		if !e.Committed() {
			continue
		}
		if len(last) > 0 && e.Version != last[0].Version {
			break
		}
		last = append(last, e)
	}
	return last
}

// ours are the contents of which the target's is one unless somebody has changed it:
// the last version's, and those of earlier ones where the target has refused the
// last one, or may have.
func (d *Deleter) ours(r *ledger.Resource, last *ledger.Entry) [][32]byte {
	all := [][32]byte{last.Content}
	if !d.mayHaveRefused(last) {
		return all
	}
	for i := range r.Versions {
		if e := &r.Versions[i]; e.Written() && !slices.Contains(all, e.Content) {
			all = append(all, e.Content)
		}
	}
	return all
}

// mayHaveRefused tells whether the target has refused resources of the folder in
// which an entry is.
func (d *Deleter) mayHaveRefused(e *ledger.Entry) bool {
	folder := fmt.Sprintf("v%d-%d", e.Version, e.Folder)
	if string(e.Type) == "Binary" {
		folder = "Binary-" + folder
	}
	return d.refusals[folder]
}

// candidates yields those of this pass that are not settled.
func (d *Deleter) candidates(ctx context.Context) iter.Seq2[*candidate, error] {
	return func(yield func(*candidate, error) bool) {
		left, err := d.openLeft()
		if err != nil {
			yield(nil, err)
			return
		}
		defer left.close()
		n := int64(-1)
		for r, err := range d.book.Resources(ctx, d.o.Memory) {
			if err != nil {
				yield(nil, err)
				return
			}
			c := d.candidateOf(r)
			if c == nil {
				continue
			}
			n++
			c.n = n
			if n < d.record.Next {
				continue
			}
			switch wanted, err := left.holds(n); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, err)
				return
			case wanted && !yield(c, nil):
				return
			}
		}
	}
}
