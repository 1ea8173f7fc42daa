package binaries

import (
	"sync/atomic"

	"github.com/fhirhose/fhirhose/pipeline/output"
)

// batch is what the placer hands over at once: the lines of some rows, or a chunk
// of a long one. Lines lie in the items, and in made what the placer has made
// itself.
type batch struct {
	p      *Pipeline
	items  []*item          // given back when all writers are done
	work   [][]output.Piece // for each writer
	made   []byte
	rows   []byte
	places []place
	bytes  int64 // of lines

	writers atomic.Int32 // that still need the lines
	readers atomic.Int32 // writers and ledger
}

// place is where the record of a ledger row was written.
type place struct {
	output.Place
	written bool
	tenant  string
}

func newBatch(p *Pipeline, writers int) *batch {
	return &batch{p: p, work: make([][]output.Piece, writers), items: make([]*item, 0, batchItems)}
}

// Pieces implements [output.Batch].
func (b *batch) Pieces(writer int) []output.Piece { return b.work[writer] }

// Written implements [output.Batch].
func (b *batch) Written() {
	if b.writers.Add(-1) > 0 {
		return
	}
	// All writers get batches in one order, so items come back in that of rows.
	for i, it := range b.items {
		it.release()
		b.items[i] = nil
		b.p.items <- it // has a place for every item
	}
	b.items = b.items[:0]
}

// Rows implements [output.Batch].
func (b *batch) Rows() []byte { return b.rows }

// Tenant returns whose ledger a row belongs to.
func (b *batch) Tenant(row int) string { return b.places[row].tenant }

// Place implements [output.Batch].
func (b *batch) Place(row int) (output.Place, bool) {
	return b.places[row].Place, b.places[row].written
}

// Release implements [output.Batch].
func (b *batch) Release() {
	if b.readers.Add(-1) > 0 {
		return
	}
	for i := range b.work {
		clear(b.work[i])
		b.work[i] = b.work[i][:0]
	}
	b.rows, b.places, b.bytes = b.rows[:0], b.places[:0], 0
	if b.made = b.made[:0]; int64(cap(b.made)) > keptBytes {
		b.made = nil
	}
	b.p.batches <- b // has a place for every batch
}

// batchItems ends a batch, however short its lines are.
const batchItems = 256

// keptBytes is the largest buffer that an idle batch keeps.
const keptBytes = batchBytes + 64<<10

// piece adds a line, or a part of one: that with its end counts.
func (b *batch) piece(s *slot, p output.Piece) {
	b.work[s.writer] = append(b.work[s.writer], p)
	b.bytes += int64(len(p.Data))
}
