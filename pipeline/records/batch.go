package records

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
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
	stubs   []byte   // of Binary rows, in record order
	places  []place  // for each row

	tenants []tenantNotes // whose records it holds; one in a job of one tenant
	counts  []count
	err     error // ends the job: not a record's defect but the job's

	m       *Mover
	work    [][]output.Piece // for each writer, filled by the merge
	spots   []spot           // for each extent its pieces, filled by the merge for the ledger
	readers atomic.Int32     // writers and ledger that have not released it
	writers atomic.Int32     // writers that still need the arena
	heavy   bool             // holds the heavy token until no writer needs the arena
}

// place says of a ledger row whose it is, an index of batch.tenants, and to which
// extent its record was written, or -1.
type place struct{ extent, tenant int32 }

// extent is the converted lines of one slot in one batch.
type extent struct {
	slot    *slot
	lines   int
	data    []byte
	lengths []uint32
	longest uint32 // of lengths
	spots   int    // index of its first spot
}

// spot is where a run of an extent's lines lies, for the ledger.
type spot struct {
	output.Place
	lines int
}

// count is how many records of one type of one tenant met one fate in a batch.
type count struct {
	tenant       string
	resourceType string
	reason       pipeline.Reason
	records      int64
	handed       int64 // of them: handed down to the binary pipeline
	read         int64 // bytes of source lines
	written      int64 // bytes of NDJSON
	mentions     metrics.Mentions
}

// notes are the rare things that a report tells about.
type notes struct {
	lockedAges    map[string]int64
	unknown       map[string]int64
	noLastUpdated int64
	unidentified  int64
}

// tenantNotes are a tenant's in one batch.
type tenantNotes struct {
	*tenant
	notes
}

// tenant is one whose records were seen. Only the merge touches admitted: its
// folder is this run's.
type tenant struct {
	name     string // "" in a job of one tenant, and of records that have none for certain
	admitted bool
}

// slot is a (tenant, type, version) triple as workers and writers see it.
type slot struct {
	*shard.Slot
	writer int // which writer owns its files
}

type slotKey struct {
	tenant       string
	resourceType string // "" for the quarantine
	version      uint32
}

// catalog interns slots and tenants, so that a pointer stands for a name beyond
// the worker. Its order of entry depends on timing; nothing stored may.
type catalog struct {
	mu       sync.Mutex
	slots    map[slotKey]*slot
	tenants  map[string]*tenant
	writerOf func(*shard.Slot) int
}

// unreadable is the type under which records without readable type are counted.
const unreadable = "unreadable"

func newCatalog(writerOf func(*shard.Slot) int) *catalog {
	return &catalog{slots: make(map[slotKey]*slot), tenants: make(map[string]*tenant), writerOf: writerOf}
}

// slot returns a tenant's slot of a type at a version; that of its quarantine has
// neither.
func (c *catalog) slot(tenant, resourceType string, version uint32) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := slotKey{tenant, resourceType, version}
	s := c.slots[key]
	if s == nil {
		made := shard.NewSlot(tenant, resourceType, version)
		if resourceType == "" {
			made = shard.NewQuarantine(tenant)
		}
		s = &slot{made, c.writerOf(made)}
		c.slots[key] = s
	}
	return s
}

func (c *catalog) tenant(name string) *tenant {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tenants[name]
	if t == nil {
		t = &tenant{name: name, admitted: name == ""}
		c.tenants[name] = t
	}
	return t
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
	if cap(b.stubs) > 2*stubBytes {
		b.stubs = nil
	}
	b.reset()
	m.batches <- b // has a place for every batch
}

// keptArena is the largest arena that an idle batch keeps.
const keptArena = 1 << 20

// Pieces implements [output.Batch].
func (b *batch) Pieces(writer int) []output.Piece { return b.work[writer] }

// Written implements [output.Batch].
func (b *batch) Written() {
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
	// What the next one takes comes on top of this one's as long as that is not
	// collected. It is rare: no item of a table is that large.
	runtime.GC()
	b.m.heavy.Release()
}

// Rows implements [output.Batch].
func (b *batch) Rows() []byte { return b.rows }

// Tenant implements [output.Batch].
func (b *batch) Tenant(row int) string { return b.tenants[b.places[row].tenant].name }

// Place implements [output.Batch]: it takes the next line of the row's extent.
func (b *batch) Place(row int) (at output.Place, written bool) {
	extent := b.places[row].extent
	if extent < 0 {
		return at, false
	}
	e := &b.extents[extent]
	s := &b.spots[e.spots]
	at = s.Place
	s.Line++
	if s.lines--; s.lines == 0 {
		e.spots++
	}
	return at, true
}

// Release implements [output.Batch].
func (b *batch) Release() {
	if b.readers.Add(-1) == 0 {
		b.m.putBatch(b)
	}
}

func (b *batch) reset() {
	b.arena, b.lengths, b.rows, b.stubs = b.arena[:0], b.lengths[:0], b.rows[:0], b.stubs[:0]
	b.extents, b.places, b.counts = b.extents[:0], b.places[:0], b.counts[:0]
	b.spots = b.spots[:0]
	for i := range b.work {
		b.work[i] = b.work[i][:0]
	}
	clear(b.tenants)
	b.tenants = b.tenants[:0]
	b.err, b.heavy, b.last = nil, false, false
}
