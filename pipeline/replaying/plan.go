package replaying

import (
	"cmp"
	"context"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// resource is one of which versions were refused.
type resource struct {
	deleting.Resource
	in      uint32              // the highest version that the target has taken; 0 is none
	written map[uint32][32]byte // contents of what was written, by version
}

// older tells whether a content is that of a version of ours before another.
func (r *resource) older(content [32]byte, than uint32) bool {
	for version, is := range r.written {
		if version < than && is == content {
			return true
		}
	}
	return false
}

// line is a refused version that may be sent again.
type line struct {
	*resource
	version uint32
	file    string
	number  uint32   // in the file, from 0
	told    int64    // as the target counts
	sum     [32]byte // of the failure
	body    []byte
}

// failure is what is held of a failure while its part is planned.
type failure struct {
	folder, file string
	told         int64
	sum          [32]byte
}

// plan finds what may be sent again of one part of all ids, in the order in which it
// is sent: by version, then by place.
func (r *Replayer) plan(ctx context.Context, part, parts uint32) ([]*line, error) {
	failures, ids := map[string][]failure{}, map[string]bool{}
	for _, folder := range r.folders {
		err := importing.EachFailure(r.o.State, r.o.Tenant, folder, func(k importing.Kept) error {
			kind, id := r.o.Resource(k.Raw)
			switch {
			case partOf(id, parts) != part:
				return nil
			case id == "":
				r.counts.Unplaced++
				return nil
			}
			ids[id] = true
			failures[kind+"/"+id] = append(failures[kind+"/"+id], failure{folder, k.File, k.Line, sumOf(&k)})
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	var todo []*line
	for it, err := range r.book.Find(ctx, ids, r.o.Memory) {
		if err != nil {
			return nil, err
		}
		key := string(it.Type) + "/" + string(it.ID)
		todo = append(todo, r.judge(it, failures[key])...)
		delete(failures, key)
	}
	for _, unknown := range failures { // nothing that we wrote
		r.counts.Unplaced += int64(len(unknown))
	}
	slices.SortFunc(todo, func(a, b *line) int {
		return cmp.Or(cmp.Compare(a.version, b.version), strings.Compare(a.file, b.file), cmp.Compare(a.number, b.number))
	})
	return todo, nil
}

// judge decides which of the refused versions of a resource may be sent again.
func (r *Replayer) judge(it *ledger.Resource, failures []failure) (todo []*line) {
	if len(failures) == 0 {
		return nil
	}
	if it.Fate != ledger.Live || it.Ambiguous {
		r.counts.Deleted += int64(len(failures))
		return nil
	}
	of := &resource{Resource: deleting.Resource{Type: string(it.Type), ID: string(it.ID)}, written: map[uint32][32]byte{}}
	lines, refused := map[uint32][]*ledger.Entry{}, map[uint32]int{}
	for i := range it.Versions {
		e := &it.Versions[i]
		if !e.Written() {
			continue
		}
		folder, _ := e.Place()
		of.written[e.Version] = e.Content
		if r.known[folder] != nil { // else it is imported later
			lines[e.Version] = append(lines[e.Version], e)
		}
	}
	for _, f := range failures {
		for version, entries := range lines {
			if slices.ContainsFunc(entries, func(e *ledger.Entry) bool { _, file := e.Place(); return file == f.file }) {
				refused[version]++
			}
		}
	}
	for version, entries := range lines {
		if len(entries) > refused[version] {
			of.in = max(of.in, version)
		}
	}
	for _, f := range failures {
		var entry *ledger.Entry
		for _, entries := range lines {
			if _, file := entries[0].Place(); len(entries) == 1 && file == f.file {
				entry = entries[0]
			}
		}
		switch {
		case entry == nil || refused[entry.Version] > 1:
			r.counts.Unplaced++
		case entry.Version <= of.in:
			r.counts.Overtaken++
		default:
			todo = append(todo, &line{resource: of, version: entry.Version, file: f.file, number: entry.Line, told: f.told, sum: f.sum})
		}
	}
	return todo
}

// partOf spreads ids over parts; those without one are in the first.
func partOf(id string, parts uint32) uint32 {
	if id == "" || parts == 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // it cannot fail
	return h.Sum32() % parts
}
