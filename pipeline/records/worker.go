package records

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/split"
)

// worker takes a lane's token, inflates the lane's next batch, passes the token
// on, and converts the batch. Its buffers are reused: no allocation per record.
type worker struct {
	m         *Mover
	in        *split.Batch
	converter *convert.Converter
	record    convert.Record
	key       []byte                  // scratch: type and version
	all       bool                    // a job of all tenants
	tenants   map[string]*knownTenant // by name
	last      *knownTenant            // of the record before
	out       []byte                  // converted lines in record order
	lines     []line                  // what lies where in out
	batches   uint64                  // numbers the batches of this worker, see knownTenant
}

// knownTenant remembers which notes of the current batch are a tenant's.
type knownTenant struct {
	*tenant
	slots map[string]*knownSlot  // by type and version
	types map[string]*knownTotal // by type
	batch uint64
	index int32 // of batch.tenants
}

// knownSlot remembers which extent of the current batch belongs to a slot.
type knownSlot struct {
	slot   *slot
	totals *knownTotal
	batch  uint64
	extent int32
}

// knownTotal remembers which count of the current batch a written record adds to.
type knownTotal struct {
	tenant, name string
	batch        uint64
	count        int32
}

// line is one converted line in worker.out.
type line struct {
	extent     int32
	start, end uint32
}

func newWorker(m *Mover) (*worker, error) {
	converter, err := convert.New(m.options.Convert)
	if err != nil {
		return nil, err
	}
	return &worker{
		m: m, in: new(split.Batch), converter: converter,
		all: m.allTenants(), tenants: make(map[string]*knownTenant), last: new(knownTenant{tenant: new(tenant)}),
	}, nil
}

func (w *worker) run(ctx context.Context) error {
	for {
		select {
		case l := <-w.m.ready:
			if err := w.step(ctx, l); err != nil {
				return err
			}
		case <-w.m.allRead:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// step does one batch of one lane.
func (w *worker) step(ctx context.Context, l *lane) error {
	b, err := w.m.takeBatch(ctx)
	if err != nil {
		return err
	}
	if l.in != nil { // the lane's batch needed a big buffer, and may have it now
		w.in, l.in = l.in, nil
	}
	stop := w.m.stages.inflate.Start()
	err = l.next(w.m, w.in)
	stop()
	if errors.Is(err, split.ErrBig) {
		w.in, l.in = new(split.Batch), w.in
		w.m.putBatch(b)
		l.slots[l.seq%len(l.slots)] <- nil // ask the merge for leave
		return nil
	}
	if err != nil {
		return w.m.corrupt(l.start.Object, err)
	}
	seq, object := l.seq, l.start.Object
	b.heavy, l.big = l.big, false
	l.seq++
	if w.in.Last {
		if err := l.close(); err != nil {
			return err
		}
	}
	if l.inflated(w.in.Last) {
		w.m.requeue(l)
	}
	stop = w.m.stages.convert.Start()
	w.convert(b, object)
	stop()
	l.slots[seq%len(l.slots)] <- b // there is a place: see lane.inflated
	return nil
}

// convert fills b with what becomes of the lines in w.in.
func (w *worker) convert(b *batch, object int) {
	in := w.in
	b.object, b.last, b.end = object, in.Last, in.End
	w.batches++
	w.out, w.lines = w.out[:0], w.lines[:0]
	w.converter.Version = w.m.objects[object].Version
	if b.heavy {
		w.out = slices.Grow(w.out, len(in.Data)+len(in.Lines)*convert.Room) // at once: what grows leaves garbage behind
	}
	for i, source := range in.Lines {
		number := in.First + int64(i)
		text := in.Data[source.Start:source.End]
		if in.TooLarge != nil && i == len(in.Lines)-1 {
			w.record = convert.Record{Reason: pipeline.TooLarge}
			t := w.tenant(b, nil)
			w.quarantine(b, t, number, text, in.TooLarge)
			w.count(b, t, []byte(unreadable), pipeline.TooLarge, in.TooLarge.Length+1)
			b.tenants[t.index].unidentified++
			continue
		}
		w.one(b, number, text)
		if b.err != nil {
			return
		}
	}
	if b.heavy {
		w.handOver(b)
		w.in = new(split.Batch) // the next heavy one may be another worker's
		return
	}
	w.group(b)
}

// handOver makes w.out the arena of a heavy batch, each line an extent of its
// own: there is no room for a second copy (I7).
func (w *worker) handOver(b *batch) {
	bySlot := slices.Clone(b.extents)
	b.extents, b.lengths = b.extents[:0], grow(b.lengths, len(w.lines))
	row := 0
	for i, l := range w.lines {
		slot := bySlot[l.extent].slot
		b.lengths[i] = l.end - l.start
		b.extents = append(b.extents, extent{
			slot: slot, lines: 1, data: w.out[l.start:l.end], lengths: b.lengths[i : i+1], longest: b.lengths[i],
		})
		if slot.Type == "" { // the quarantine
			continue
		}
		for b.places[row].extent < 0 { // rows of records that were not written
			row++
		}
		b.places[row].extent = int32(i)
		row++
	}
	b.arena, w.out = w.out, nil
	w.in.Shrink()
	w.record = convert.Record{}
	w.converter.Shrink()
}

// one converts one record of ordinary length.
func (w *worker) one(b *batch, number int64, text []byte) {
	r := &w.record
	start := len(w.out)
	w.out = w.converter.Convert(w.out, text, r)
	if r.MultiTenant && w.m.options.Convert.Tenant == "" {
		b.err = multiTenant(w.m.objects[b.object].Key, number)
		return
	}
	if w.m.options.BinariesUnset && r.Reason == pipeline.NoReason && string(r.Type) == "Binary" {
		b.err = binariesUnset(w.m.objects[b.object].Key, number)
		return
	}
	t := w.tenant(b, r.Tenant)
	if w.handDown(b, t, number, text, start) {
		return
	}
	identified := r.Reason.Identified()
	extent := int32(-1)
	switch r.Reason.Outcome() {
	case pipeline.Written:
		known := w.slot(t, r.Type, r.Version)
		extent = w.line(b, known, start)
		w.written(b, known.totals, int64(len(text))+1, int64(len(w.out)-start))
		b.counts[known.totals.count].mentions.Mention(r.Mentions)
		w.note(&b.tenants[t.index].notes, r)
	case pipeline.Filtered:
		w.count(b, t, r.Type, r.Reason, int64(len(text))+1)
	case pipeline.Quarantined:
		w.quarantine(b, t, number, text, nil)
		name := []byte(unreadable)
		if identified {
			name = r.Type
		}
		w.count(b, t, name, r.Reason, int64(len(text))+1)
	}
	if !identified || w.all && t.name == "" { // no ledger is that of nobody
		b.tenants[t.index].unidentified++
		return
	}
	if r.Reason == pipeline.OtherTenant {
		return // not even an id of another tenant may reach this one's ledger
	}
	if w.isBinary(r) {
		w.stub(b, number, nil)
	}
	b.rows = ledger.AppendRow(b.rows, &ledger.Entry{
		Type: r.Type, ID: r.ID, Version: r.Version, LastUpdated: r.LastUpdated,
		Status: r.Status, Reason: r.Reason, Content: r.Content, Label: r.Label, Form: r.Form,
		Object: uint32(b.object), Record: number,
	})
	b.places = append(b.places, place{extent, t.index})
}

// tenant finds what this worker knows of a tenant, which has a record in b.
func (w *worker) tenant(b *batch, name []byte) *knownTenant {
	known := w.last
	if known.slots == nil || string(name) != known.name {
		known = w.tenants[string(name)]
		if known == nil {
			known = &knownTenant{
				tenant: w.m.catalog.tenant(string(name)),
				slots:  make(map[string]*knownSlot), types: make(map[string]*knownTotal),
			}
			w.tenants[known.name] = known
		}
		w.last = known
	}
	if known.batch != w.batches {
		known.batch, known.index = w.batches, int32(len(b.tenants))
		b.tenants = append(b.tenants, tenantNotes{tenant: known.tenant})
	}
	return known
}

// slot finds what this worker knows of a tenant's type at a version.
func (w *worker) slot(t *knownTenant, resourceType []byte, version uint32) *knownSlot {
	w.key = binary.BigEndian.AppendUint32(append(w.key[:0], resourceType...), version)
	known := t.slots[string(w.key)]
	if known == nil {
		name := string(resourceType)
		known = &knownSlot{slot: w.m.catalog.slot(t.name, name, version)}
		if name != "" {
			known.totals = t.total(resourceType)
		}
		t.slots[string(w.key)] = known
	}
	return known
}

func (t *knownTenant) total(resourceType []byte) *knownTotal {
	known := t.types[string(resourceType)]
	if known == nil {
		name := string(resourceType)
		known = &knownTotal{tenant: t.name, name: name}
		t.types[name] = known
	}
	return known
}

// line notes that w.out[start:] is a line of a slot, and returns its extent.
func (w *worker) line(b *batch, known *knownSlot, start int) int32 {
	if known.batch != w.batches {
		known.batch, known.extent = w.batches, int32(len(b.extents))
		b.extents = append(b.extents, extent{slot: known.slot})
	}
	b.extents[known.extent].lines++
	w.lines = append(w.lines, line{known.extent, uint32(start), uint32(len(w.out))})
	return known.extent
}

// written counts one written record: the frequent case.
func (w *worker) written(b *batch, known *knownTotal, read, written int64) {
	if known.batch != w.batches {
		known.batch, known.count = w.batches, int32(len(b.counts))
		b.counts = append(b.counts, count{tenant: known.tenant, resourceType: known.name})
	}
	c := &b.counts[known.count]
	c.records++
	c.read += read
	c.written += written
}

// count counts one record that was not written.
func (w *worker) count(b *batch, t *knownTenant, resourceType []byte, reason pipeline.Reason, read int64) {
	name := t.total(resourceType).name
	for i := range b.counts {
		if c := &b.counts[i]; c.resourceType == name && c.reason == reason && c.tenant == t.name {
			c.records++
			c.read += read
			return
		}
	}
	b.counts = append(b.counts, count{tenant: t.name, resourceType: name, reason: reason, records: 1, read: read})
}

// group lays the lines of each slot side by side in the arena, so that the
// merge and the writers handle few, large pieces.
func (w *worker) group(b *batch) {
	b.arena = grow(b.arena, len(w.out))
	b.lengths = grow(b.lengths, len(w.lines))
	var sizes [256]uint32
	ends := append(sizes[:0], make([]uint32, len(b.extents))...)
	for _, l := range w.lines {
		ends[l.extent] += l.end - l.start
	}
	var offset uint32
	lengths := b.lengths
	for i := range b.extents {
		e, size := &b.extents[i], ends[i]
		e.data = b.arena[offset : offset : offset+size]
		e.lengths, lengths = lengths[:0:e.lines], lengths[e.lines:]
		offset += size
	}
	for _, l := range w.lines {
		e := &b.extents[l.extent]
		e.data = append(e.data, w.out[l.start:l.end]...)
		e.lengths = append(e.lengths, l.end-l.start)
		e.longest = max(e.longest, l.end-l.start)
	}
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// note remembers what the report tells about a written record.
func (w *worker) note(n *notes, r *convert.Record) {
	if r.LastUpdated == ledger.UnknownTime {
		n.noLastUpdated++
	}
	if r.Status == pipeline.Locked {
		if n.lockedAges == nil {
			n.lockedAges = make(map[string]int64)
		}
		n.lockedAges[ageClass(w.m.exportTime, r.LockEnd)]++
	}
	for _, name := range r.Unknown {
		if n.unknown == nil {
			n.unknown = make(map[string]int64)
		}
		n.unknown[string(name)]++
	}
}

// ageClass tells how long before the export a row's lock ran out.
func ageClass(exported time.Time, lockEnd int64) string {
	age := exported.Sub(time.UnixMilli(lockEnd))
	switch {
	case exported.IsZero() || lockEnd == 0:
		return "unknown"
	case age < time.Minute:
		return "<1m"
	case age < time.Hour:
		return "<1h"
	case age < 24*time.Hour:
		return "<1d"
	default:
		return ">=1d"
	}
}

func binariesUnset(object string, number int64) error {
	return &pipeline.Error{
		Op: "convert record", Object: object, Record: number, Kind: pipeline.KindConfig,
		Err: errors.New("the row is a Binary, whose content lies in a bucket of its own, and the job names none"),
		Hint: "name the bucket, or a copy of it, in source.binaries; or set source.binaries: none to move such rows as they are, " +
			"without data; and start again with `fhirhose move --restart`",
	}
}

func multiTenant(object string, number int64) error {
	return &pipeline.Error{
		Op: "convert record", Object: object, Record: number, Kind: pipeline.KindConfig,
		Err:  fmt.Errorf("the row belongs to a tenant, but the job names none"),
		Hint: "set source.tenant to the id of the tenant to move, or to \"*\" for all of them, and start again with `fhirhose move --restart`",
	}
}
