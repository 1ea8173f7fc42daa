package listing

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	// sortBytes bounds what a Sorter holds in memory.
	sortBytes = 16 << 20
	// mostRuns bounds its files, and so its descriptors.
	mostRuns = 64
)

// Sorter makes a listing of objects that come in any order: a directory has none,
// and not every service that speaks S3 keeps that of S3. What does not fit in
// memory lies beside path, in sorted runs that are listings themselves.
type Sorter struct {
	path  string
	of    Fingerprint
	held  []pipeline.Content
	bytes int // of held, about
	limit int
	runs  []*run
	made  int // runs, for their names

	objects int64
	remark  int64
}

type run struct {
	*Listing
	path string
}

// NewSorter begins a listing, at path, of what the fingerprint stands for.
func NewSorter(path string, of Fingerprint) *Sorter {
	return &Sorter{path: path, of: of, limit: sortBytes}
}

// Remark leaves a number to those who open the listing.
func (s *Sorter) Remark(n int64) { s.remark = n }

// Objects returns how many were added.
func (s *Sorter) Objects() int64 { return s.objects }

// Add takes an object.
func (s *Sorter) Add(c pipeline.Content) error {
	s.objects++
	s.held = append(s.held, c)
	if s.bytes += 160 + len(c.Key) + len(c.ETag) + len(c.VersionID); s.bytes < s.limit {
		return nil
	}
	return s.spill()
}

// Commit ends the listing and gives it its name, durably. A key that came twice
// is ErrTwice.
func (s *Sorter) Commit() error {
	w := create(s.path, s.of)
	w.remark = s.remark
	return s.merge(w)
}

// Close removes what lies beside the listing.
func (s *Sorter) Close() error {
	err := s.drop()
	return errors.Join(err, remove(s.path+temporary))
}

func (s *Sorter) drop() error {
	failed := make([]error, 0, 2*len(s.runs))
	for _, r := range s.runs {
		failed = append(failed, r.Close(), remove(r.path))
	}
	s.runs = nil
	return errors.Join(failed...)
}

// spill makes a run of what is held; of many runs it makes one.
func (s *Sorter) spill() (err error) {
	path := fmt.Sprintf("%s.run-%d", s.path, s.made)
	s.made++
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(path), remove(path+temporary))
		}
	}()
	w := create(path, s.of)
	if len(s.runs) < mostRuns-1 {
		err = write(w, merge{s.sorted()})
	} else if err = s.merge(w); err == nil {
		err = s.drop()
	}
	if err != nil {
		return err
	}
	l, err := Open(path, s.of)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, &run{l, path})
	clear(s.held) // the texts are garbage now
	s.held, s.bytes = s.held[:0], 0
	return nil
}

func (s *Sorter) sorted() *held {
	slices.SortFunc(s.held, func(a, b pipeline.Content) int { return cmp.Compare(a.Key, b.Key) })
	return &held{rest: s.held}
}

// merge writes all runs and what is held.
func (s *Sorter) merge(w *writer) error {
	var sources merge
	if len(s.held) > 0 {
		sources = append(sources, s.sorted())
	}
	for _, r := range s.runs {
		c, err := r.seek("")
		if err != nil {
			return err
		}
		if _, err := c.Next(); err != nil { // a run holds an object at least
			return err
		}
		sources = append(sources, c)
	}
	return write(w, sources)
}

func write(w *writer, sources merge) error {
	heap.Init(&sources)
	for len(sources) > 0 {
		if err := w.add(sources[0].Content()); err != nil {
			return err
		}
		ok, err := sources[0].Next()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&sources, 0)
		} else {
			heap.Pop(&sources)
		}
	}
	return w.commit()
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// ordered is a sorted source of objects that stands at one of them.
type ordered interface {
	Content() pipeline.Content
	key() string
	Next() (bool, error)
}

func (c *cursor) key() string { return string(c.entry.key) }

// held are sorted objects in memory.
type held struct{ rest []pipeline.Content }

func (h *held) Content() pipeline.Content { return h.rest[0] }
func (h *held) key() string               { return h.rest[0].Key }
func (h *held) Next() (bool, error) {
	h.rest = h.rest[1:]
	return len(h.rest) > 0, nil
}

// merge is a heap of sources by the key at which they stand.
type merge []ordered

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].key() < m[j].key() }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(ordered)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
