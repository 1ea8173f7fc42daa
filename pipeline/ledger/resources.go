package ledger

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
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

// Lookup returns the resource of a type and an id, or nil if the ledger has no
// entry of it. It reads one range of each segment, about 64 KiB, and holds one
// buffer.
func (l *Ledger) Lookup(ctx context.Context, typ, id []byte) (*Resource, error) {
	var found []Entry
	buf := make([]byte, max(minBuffer, 64<<10))
	for i := range l.segments {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if found, err = l.appendEntries(found, i, id, buf); err != nil {
			return nil, segmentError(i, err)
		}
	}
	slices.SortStableFunc(found, func(a, b Entry) int {
		return cmp.Or(bytes.Compare(a.Type, b.Type), cmp.Compare(a.Version, b.Version))
	})
	var g idGroup
	g.begin(id)
	for i := range found {
		g.add(&found[i])
	}
	for i, r := range g.judge() {
		if bytes.Equal(r.Type, typ) {
			return &g.resources[i], nil
		}
	}
	return nil, nil
}

// appendEntries appends the entries that one segment has of an id.
func (l *Ledger) appendEntries(found []Entry, number int, id, buf []byte) ([]Entry, error) {
	key := sortKey(id)
	lead := int(key >> 56)
	var c cursor
	c.init(l, number, lead, lead+1, buf)
	for {
		more, err := c.advance()
		if err != nil || !more || c.key > key {
			return found, err
		}
		if bytes.Equal(c.entry.ID, id) {
			e := c.entry
			e.ID = id
			found = append(found, e)
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
