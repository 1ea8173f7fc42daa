package binaries

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// OrphansName is the list of objects that no row names, in each tenant's folder
// and in the job's own.
const OrphansName = "_fhirhose/orphans.ndjson"

// listers is how many tenants' lists are written at the same time.
const listers = 16

// Orphans are objects of the binary bucket that no row names.
type Orphans struct {
	Objects, Bytes int64
	Oldest, Newest time.Time // zero without objects
	// Newer objects than the table's export are none of these: their rows may
	// have come after it.
	Newer, NewerBytes int64
}

// orphanLine is one line of the list.
type orphanLine struct {
	Key      string    `json:"key"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified"`
}

// Orphans lists the objects that no row names, newer ones included, into the
// output, in key order, and counts them by tenant. In a job of all tenants an
// object is that of the tenant whose name its key begins with, if the table has a
// record of that tenant; all others are under "", the job's own folder. It comes
// after Run; repeated, it writes the same bytes. A bit of memory for each object is
// all that it holds.
func (p *Pipeline) Orphans(ctx context.Context, exported time.Time) (map[string]Orphans, error) {
	objects, _ := p.contents.Totals()
	known := make(bitmap, (objects+63)/64)
	if err := p.mark(ctx, known); err != nil {
		return nil, err
	}
	tenants, err := output.Tenants(p.store)
	if err != nil {
		return nil, err
	}
	if err := p.sinks.Admit(ctx, tenants); err != nil { // those without a Binary
		return nil, err
	}
	lists := make([]Orphans, len(tenants)+1)
	group, listing := errgroup.WithContext(ctx)
	group.SetLimit(listers)
	for i, tenant := range tenants {
		group.Go(func() (err error) {
			lists[i], err = p.list(listing, tenant, tenant+"/", known, exported, nil)
			return err
		})
	}
	group.Go(func() (err error) {
		lists[len(tenants)], err = p.list(listing, "", p.keysOfJob(), known, exported, tenants)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := make(map[string]Orphans, len(lists))
	for i, tenant := range append(tenants, "") {
		all[tenant] = lists[i]
	}
	return all, nil
}

// list writes the list of a tenant: of the objects whose keys begin with prefix,
// and not with the name of one of the others, which are sorted.
func (p *Pipeline) list(ctx context.Context, tenant, prefix string, known bitmap, exported time.Time, others []string) (o Orphans, err error) {
	err = p.out.Put(ctx, tenant, OrphansName, func(w io.Writer) error {
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		return p.contents.Each(ctx, prefix, func(number int64, c pipeline.Content) error {
			if known.has(number) || isOf(others, c.Key) {
				return nil
			}
			o.add(c, exported)
			return lines.Encode(orphanLine{c.Key, c.Size, c.Modified.UTC()})
		})
	})
	return o, err
}

// isOf tells whether a key lies in the folder of one of the tenants.
func isOf(tenants []string, key string) bool {
	folder, _, ok := strings.Cut(key, "/")
	if !ok {
		return false
	}
	_, found := slices.BinarySearch(tenants, folder)
	return found
}

func (o *Orphans) add(c pipeline.Content, exported time.Time) {
	if !exported.IsZero() && c.Modified.After(exported) {
		o.Newer++
		o.NewerBytes += c.Size
		return
	}
	if o.Objects == 0 || c.Modified.Before(o.Oldest) {
		o.Oldest = c.Modified
	}
	if o.Objects == 0 || c.Modified.After(o.Newest) {
		o.Newest = c.Modified
	}
	o.Objects++
	o.Bytes += c.Size
}

// mark marks every object that a row names. Where a row has more than one, the
// listing is walked for the others: some tens of thousands of such rows at a time.
func (p *Pipeline) mark(ctx context.Context, known bitmap) error {
	var ambiguous []named
	return p.placer.named.each(func(some []named) error {
		ambiguous = ambiguous[:0]
		for _, n := range some {
			known.set(n.object)
			if n.prefix > 0 {
				ambiguous = append(ambiguous, n)
			}
		}
		if len(ambiguous) == 0 {
			return nil
		}
		slices.SortFunc(ambiguous, func(a, b named) int { return int(a.object - b.object) })
		return p.markRuns(ctx, known, ambiguous)
	})
}

// markRuns marks the objects behind each of these whose keys begin alike.
func (p *Pipeline) markRuns(ctx context.Context, known bitmap, from []named) error {
	var open []string // prefixes whose runs are under way, each the beginning of the next
	return p.contents.Each(ctx, "", func(number int64, c pipeline.Content) error {
		open = slices.DeleteFunc(open, func(prefix string) bool { return !strings.HasPrefix(c.Key, prefix) })
		for len(from) > 0 && from[0].object == number {
			if prefix := c.Key[:from[0].prefix]; !slices.Contains(open, prefix) {
				open = append(open, prefix)
			}
			from = from[1:]
		}
		if slices.ContainsFunc(open, func(prefix string) bool { return !strings.Contains(c.Key[len(prefix):], "/") }) {
			known.set(number)
		}
		return nil
	})
}

// bitmap has a bit for each listed object.
type bitmap []uint64

func (b bitmap) set(i int64)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) has(i int64) bool { return b[i/64]&(1<<(i%64)) != 0 }
