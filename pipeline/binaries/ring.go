package binaries

import (
	"context"
	"sync"
)

// ring gives out memory and takes it back in the same order. It never holds more
// than its size (I7), but for a region that is larger than the whole ring: that
// one has it to itself.
type ring struct {
	mu         sync.Mutex
	bytes      []byte
	head, tail int  // the next region begins at head, the oldest at tail
	count      int  // regions in use
	alone      bool // the only one is larger than the ring
	freed      chan struct{}
	used       int64
}

// region is a piece of a ring. Its zero value is none.
type region struct {
	ring *ring
	b    []byte // empty, with the capacity that was asked for
	end  int    // within the ring
}

func newRing(size int) *ring {
	return &ring{bytes: make([]byte, size), freed: make(chan struct{}, 1)}
}

// take returns n bytes, at least one, once they are free. One goroutine takes.
func (g *ring) take(ctx context.Context, n int) (region, error) {
	for {
		if r, ok := g.try(n); ok {
			return r, nil
		}
		select {
		case <-g.freed:
		case <-ctx.Done():
			return region{}, ctx.Err()
		}
	}
}

func (g *ring) try(n int) (r region, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	start, ok := g.place(n)
	if !ok {
		return r, false
	}
	g.count++
	g.used += int64(n)
	if g.alone {
		return region{ring: g, b: make([]byte, 0, n)}, true
	}
	g.head = start + n
	return region{ring: g, b: g.bytes[start:start:g.head], end: g.head}, true
}

// place finds room for n bytes behind the newest region, or at the beginning.
func (g *ring) place(n int) (start int, ok bool) {
	if g.count == 0 {
		g.head, g.tail, g.alone = 0, 0, n > len(g.bytes)
		return 0, true
	}
	switch {
	case g.alone:
		return 0, false
	case g.head < g.tail: // it has come round
		return g.head, g.tail-g.head > n // never full to the brim: that looks empty
	case len(g.bytes)-g.head >= n:
		return g.head, true
	default:
		return 0, g.tail > n
	}
}

// release gives the oldest region back.
func (r *region) release() {
	g := r.ring
	if g == nil {
		return
	}
	g.mu.Lock()
	g.count--
	g.tail = r.end
	g.used -= int64(cap(r.b))
	g.mu.Unlock()
	*r = region{}
	select {
	case g.freed <- struct{}{}:
	default:
	}
}

func (g *ring) inUse() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.used
}
