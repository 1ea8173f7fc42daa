package ledger

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/fhirhose/fhirhose/pipeline"
)

// maxBuffer is the most that a cursor reads at once.
const maxBuffer = 1 << 20

// perCursor is what one segment costs a merge beside its buffer.
const perCursor = int(unsafe.Sizeof(cursor{}) + unsafe.Sizeof(head{}))

// head is a cursor in the heap, with its key beside it: nearly every comparison
// ends there.
type head struct {
	key uint64
	*cursor
}

func (h head) before(g head) bool {
	if h.key != g.key {
		return h.key < g.key
	}
	return h.compare(g.cursor) < 0
}

// merge yields the entries of all segments in ledger order: sort key, id, type,
// version, merge order. It holds one buffer per segment, never a range, so that
// its memory depends neither on the data nor on how many versions an id has.
type merge struct {
	ctx  context.Context
	heap []head // a binary heap, least entry first
}

// MinMemory returns the least memory, in bytes, with which Summarize and
// Resources can work.
func (l *Ledger) MinMemory() int { return len(l.segments) * (minBuffer + perCursor) }

// newMerge returns a merge of the entries whose leading byte is in [from, to),
// that uses at most memory bytes.
func (l *Ledger) newMerge(ctx context.Context, from, to, memory int) (*merge, error) {
	n := len(l.segments)
	if memory < l.MinMemory() {
		return nil, &pipeline.Error{
			Op: "read ledger", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("%d segments need %d bytes of memory, %d are allowed", n, l.MinMemory(), memory),
			Hint: "raise limits.memory",
		}
	}
	m := &merge{ctx: ctx, heap: make([]head, 0, n)}
	cursors := make([]cursor, n)
	size := l.bufferSize(from, to, memory)
	arena := make([]byte, n*size)
	for i := range cursors {
		c := &cursors[i]
		c.init(l, i, from, to, arena[i*size:(i+1)*size])
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		more, err := c.advance()
		if err != nil {
			return nil, segmentError(i, err)
		}
		if more {
			m.heap = append(m.heap, head{c.key, c})
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// bufferSize shares memory among the segments; no buffer need be larger than
// the widest range.
func (l *Ledger) bufferSize(from, to, memory int) int {
	widest := uint32(0)
	for i := range l.segments {
		widest = max(widest, l.segments[i].marks[to].offset-l.segments[i].marks[from].offset)
	}
	share := memory/max(1, len(l.segments)) - perCursor
	return min(share, maxBuffer, max(minBuffer, int(widest)))
}

// top returns the cursor that stands at the least entry, or nil at the end. It
// is valid until pop.
func (m *merge) top() *cursor {
	if len(m.heap) == 0 {
		return nil
	}
	return m.heap[0].cursor
}

// pop goes on to the next entry.
func (m *merge) pop() error {
	c := m.heap[0].cursor
	if len(c.block.rest) == 0 {
		if err := m.ctx.Err(); err != nil { // once per block
			return err
		}
	}
	more, err := c.advance()
	if err != nil {
		return segmentError(c.place, err)
	}
	if more {
		m.heap[0].key = c.key
	} else {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.sink(0)
	return nil
}

// sink moves the head at i down to its place.
func (m *merge) sink(i int) {
	for {
		least := 2*i + 1
		if least >= len(m.heap) {
			return
		}
		if right := least + 1; right < len(m.heap) && m.heap[right].before(m.heap[least]) {
			least = right
		}
		if !m.heap[least].before(m.heap[i]) {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}
