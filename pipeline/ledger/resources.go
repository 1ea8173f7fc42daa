package ledger

import (
	"bytes"
	"context"
	"iter"
)

// Resource is what the ledger knows about one resource: a type and an id.
type Resource struct {
	Type, ID []byte
	Fate     Fate

	// Ambiguous says that another type uses the same id. The source may have
	// lost history of such a resource: it is never deleted automatically.
	Ambiguous bool

	Duplicates int64 // entries beyond the first of the same version
	Holes      int64 // numbers between 1 and the highest committed version of which there is no entry

	// Versions are all entries, PENDING ones and duplicates included, by
	// version and then in merge order. Rows of other tenants are left out.
	Versions []Entry

	history history
}

// Deletable tells whether the resource may be deleted in a target.
func (r *Resource) Deletable() bool { return r.Fate == Deleted && !r.Ambiguous }

// Resources yields every resource in ledger order: by the SHA-256 of the id,
// then by type. A Resource, with all that it points to, is valid until the next
// one. It uses at most memory bytes, and beyond them what the entries of a
// single id need. The first error is yielded with a nil Resource and ends it.
func (l *Ledger) Resources(ctx context.Context, memory int) iter.Seq2[*Resource, error] {
	return func(yield func(*Resource, error) bool) {
		m, err := l.newMerge(ctx, 0, fanOut, memory)
		if err != nil {
			yield(nil, err)
			return
		}
		var g idGroup
		for m.top() != nil {
			if err := g.take(m); err != nil {
				yield(nil, err)
				return
			}
			for i := range g.judge() {
				if !yield(&g.resources[i], nil) {
					return
				}
			}
		}
	}
}

// idGroup gathers the resources of one id. Its memory is used again.
type idGroup struct {
	id        []byte
	resources []Resource
}

func (g *idGroup) begin(id []byte) {
	g.id = append(g.id[:0], id...)
	g.resources = g.resources[:0]
}

// take takes the entries of the next id from m.
func (g *idGroup) take(m *merge) error {
	g.begin(m.top().entry.ID)
	for c := m.top(); c != nil && bytes.Equal(c.entry.ID, g.id); c = m.top() {
		g.add(&c.entry)
		if err := m.pop(); err != nil {
			return err
		}
	}
	return nil
}

// add adds the next entry of the id, in order of type and version.
func (g *idGroup) add(e *Entry) {
	if !e.ours() {
		return
	}
	n := len(g.resources)
	if n == 0 || !bytes.Equal(g.resources[n-1].Type, e.Type) {
		if n < cap(g.resources) {
			g.resources = g.resources[:n+1]
		} else {
			g.resources = append(g.resources, Resource{})
		}
		n++
		r := &g.resources[n-1]
		*r = Resource{Type: e.Type, ID: g.id, Versions: r.Versions[:0]}
	}
	r := &g.resources[n-1]
	r.history.add(e)
	version := *e
	version.ID = g.id
	r.Versions = append(r.Versions, version)
}

// judge completes the resources and returns them.
func (g *idGroup) judge() []Resource {
	for i := range g.resources {
		r := &g.resources[i]
		r.Fate, r.Ambiguous = r.history.fate(), len(g.resources) > 1
		r.Duplicates, r.Holes = r.history.duplicates, r.history.holes
	}
	return g.resources
}
