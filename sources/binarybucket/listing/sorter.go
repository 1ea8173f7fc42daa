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

// sortBytes bounds what a Sorter holds in memory.
const sortBytes = 32 << 20

// Sorter brings objects that come in any order into that of a Writer. What does
// not fit in memory lies in files beside path, which Close removes.
type Sorter struct {
	path  string
	held  []pipeline.Content
	bytes int // of held, about
	limit int
	runs  []*Listing
	paths []string
}

// NewSorter returns an empty sorter for the listing at path.
func NewSorter(path string) *Sorter { return &Sorter{path: path, limit: sortBytes} }

// Add takes an object.
func (s *Sorter) Add(c pipeline.Content) error {
	s.held = append(s.held, c)
	if s.bytes += 160 + len(c.Key) + len(c.ETag) + len(c.VersionID); s.bytes < s.limit {
		return nil
	}
	return s.spill()
}

func (s *Sorter) sort() {
	slices.SortFunc(s.held, func(a, b pipeline.Content) int { return cmp.Compare(a.Key, b.Key) })
}

// spill writes what is held as a listing of its own.
func (s *Sorter) spill() error {
	s.sort()
	path := fmt.Sprintf("%s.run-%04d", s.path, len(s.runs))
	s.paths = append(s.paths, path)
	w := Create(path, Fingerprint{})
	for _, c := range s.held {
		if err := w.Add(c); err != nil {
			return err
		}
	}
	if err := w.Commit(); err != nil {
		return err
	}
	run, err := Open(path, Fingerprint{})
	if err != nil {
		return err
	}
	s.runs = append(s.runs, run)
	clear(s.held) // the keys are garbage now
	s.held, s.bytes = s.held[:0], 0
	return nil
}

// Each calls f for every object in key order.
func (s *Sorter) Each(f func(pipeline.Content) error) error {
	s.sort()
	var sources merge
	if len(s.held) > 0 {
		sources = append(sources, &held{rest: s.held})
	}
	for _, run := range s.runs {
		c, err := run.Cursor()
		if err != nil {
			return err
		}
		if ok, err := c.Next(); err != nil {
			return err
		} else if ok {
			sources = append(sources, c)
		}
	}
	heap.Init(&sources)
	for len(sources) > 0 {
		if err := f(sources[0].Content()); err != nil {
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
	return nil
}

// Close removes the files.
func (s *Sorter) Close() error {
	var failed []error
	for _, run := range s.runs {
		failed = append(failed, run.Close())
	}
	for _, path := range s.paths {
		failed = append(failed, remove(path), remove(path+".tmp"))
	}
	s.runs, s.paths, s.held = nil, nil, nil
	return errors.Join(failed...)
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

func (c *Cursor) key() string { return string(c.entry.key) }

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
