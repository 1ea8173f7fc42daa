package records

import (
	"context"
	"hash/fnv"
	"sync"
	"sync/atomic"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/pipeline/split"
)

// batch is what a worker makes of one batch of source lines: everything that
// the merge needs to place it without looking at a byte. It belongs to one
// stage at a time until the merge hands it to several readers; the last one to
// release it puts it back.
type batch struct {
	object int
	last   bool // the object ends after this batch
	end    split.Position

	arena   []byte // converted lines, extent by extent
	extents []extent
	lengths []uint32 // of lines, extent by extent
	rows    []byte   // ledger rows in record order
	places  []int32  // for each row the extent it was written to, or -1

	counts []count
	notes  notes
	err    error // ends the job: not a record's defect but the job's

	work    [][]write    // for each writer, filled by the merge
	spots   []spot       // for each extent its pieces, filled by the merge for the ledger
	readers atomic.Int32 // writers and ledger that have not released it
	writers atomic.Int32 // writers that still need the arena
	heavy   bool         // holds the heavy token until no writer needs the arena
}

// extent is the converted lines of one slot in one batch.
type extent struct {
	slot    *slot
	lines   int
	data    []byte
	lengths []uint32
	spots   int // index of its first spot
}

// write is a run of lines for one file.
type write struct {
	file  *shard.File
	lines int
	data  []byte
	first bool // the file begins here
}

// spot is where a run of an extent's lines lies, for the ledger.
type spot struct {
	folder, file, line uint32
	lines              int
}

// count is how many records of one type met one fate in a batch.
type count struct {
	resourceType string
	reason       pipeline.Reason
	records      int64
	read         int64 // bytes of source lines
	written      int64 // bytes of NDJSON
}

// notes are the rare things that a report tells about.
type notes struct {
	lockedAges    map[string]int64
	unknown       map[string]int64
	noLastUpdated int64
	unidentified  int64
}

// slot is a (type, version) pair as workers and writers see it.
type slot struct {
	*shard.Slot
	writer int // which writer owns its files
}

type slotKey struct {
	resourceType string
	version      uint32
}

// catalog interns slots, so that a pointer stands for a name beyond the worker.
// Its order of entry depends on timing; nothing stored may.
type catalog struct {
	mu         sync.Mutex
	slots      map[slotKey]*slot
	quarantine *slot
	writers    int
}

// unreadable is the type under which records without readable type are counted.
const unreadable = "unreadable"

func newCatalog(writers int) *catalog {
	return &catalog{
		slots:      make(map[slotKey]*slot),
		quarantine: newSlot(shard.NewQuarantine(), writers),
		writers:    writers,
	}
}

func (c *catalog) slot(resourceType string, version uint32) *slot {
	if resourceType == "" {
		return c.quarantine
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := slotKey{resourceType, version}
	s := c.slots[key]
	if s == nil {
		s = newSlot(shard.NewSlot(resourceType, version), c.writers)
		c.slots[key] = s
	}
	return s
}

// takeBatch returns an empty batch, or waits for one: there are only so many.
func (m *Mover) takeBatch(ctx context.Context) (*batch, error) {
	select {
	case b := <-m.batches:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// putBatch gives a batch back, without the buffers of a heavy one.
func (m *Mover) putBatch(b *batch) {
	if cap(b.arena) > keptArena {
		b.arena = nil
	}
	b.reset()
	m.batches <- b // has a place for every batch
}

// keptArena is the largest arena that an idle batch keeps.
const keptArena = 1 << 20

// written is called by each writer that is done with a batch's arena.
func (m *Mover) written(b *batch) {
	if b.writers.Add(-1) > 0 || !b.heavy {
		return
	}
	b.arena = nil // and whatever else points into it
	for i := range b.extents {
		b.extents[i].data = nil
	}
	for _, work := range b.work {
		clear(work)
	}
	m.heavy.release()
}

// release is called by each reader that is done with a batch.
func (m *Mover) release(b *batch) {
	if b.readers.Add(-1) == 0 {
		m.putBatch(b)
	}
}

func (b *batch) reset() {
	b.arena, b.lengths, b.rows = b.arena[:0], b.lengths[:0], b.rows[:0]
	b.extents, b.places, b.counts = b.extents[:0], b.places[:0], b.counts[:0]
	b.spots = b.spots[:0]
	for i := range b.work {
		b.work[i] = b.work[i][:0]
	}
	b.notes = notes{}
	b.err, b.heavy, b.last = nil, false, false
}

func newSlot(s *shard.Slot, writers int) *slot { return &slot{s, writerOf(s, writers)} }

// writerOf spreads slots over writers, so that a file always has the same one.
func writerOf(s *shard.Slot, writers int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Type)) // never fails
	return int((h.Sum32() + s.Version) % uint32(writers))
}
