package output

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// LedgerFolder is where sealed segments lie in a tenant's sink.
const LedgerFolder = "_fhirhose/ledger/"

func (o *Output) segmentName(segment int) string {
	return fmt.Sprintf("%s%s%05d.ledger", LedgerFolder, o.options.Ledger, segment)
}

// segment is a full ledger segment on its way to the sink.
type segment struct {
	seal   *seal
	tenant string
	name   string
	rows   string // path
	at     ledgerState
	heavy  bool // holds the heavy token
}

const (
	// smallSegment is how many bytes of rows a segment has that is not heavy, and
	// segmentSealers how many of those are sealed at the same time: at the end of
	// a job each of many tenants has one.
	smallSegment   = 128 << 10
	segmentSealers = 8
)

// seal turns an open segment into an output file, beside the flow of data, and
// opens the next one. One large segment is sealed at a time (I7).
func (k *book) seal(ctx context.Context, s *openSegment) error {
	if err := k.flush(s); err != nil {
		return err
	}
	name := k.o.segmentName(s.at.Segment)
	full := segment{
		seal:   &seal{key: fileKey(s.tenant, name), done: make(chan struct{})},
		tenant: s.tenant, name: name, rows: k.path(s.tenant, s.at.Segment), at: s.at,
		heavy: s.at.Bytes > smallSegment,
	}
	full.seal.record = FileRecord{OpenFile: shard.OpenFile{Tenant: s.tenant, Lines: uint32(s.at.Rows)}, Sealed: true}
	if full.heavy {
		if err := k.o.options.Heavy.Take(ctx); err != nil {
			return err
		}
	}
	k.seals = append(k.seals, full.seal)
	k.old = append(k.old, full.rows)
	s.at = ledgerState{Segment: s.at.Segment + 1}
	return Send(ctx, k.o.segments, full)
}

// runSegments seals full ledger segments until the queue closes.
func (o *Output) runSegments(ctx context.Context) error {
	for {
		select {
		case full, ok := <-o.segments:
			if !ok {
				return nil
			}
			stop := o.Ledger.Start()
			err := o.sealSegment(ctx, full)
			stop()
			if full.heavy {
				o.options.Heavy.Release()
			}
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sealSegment packs the rows of one segment and makes them a file of the sink.
func (o *Output) sealSegment(ctx context.Context, full segment) error {
	at, record := full.at, &full.seal.record
	rows, err := os.ReadFile(full.rows)
	if err == nil && int64(len(rows)) < at.Bytes {
		err = fmt.Errorf("it holds %d bytes, %d were written", len(rows), at.Bytes)
	}
	if err != nil {
		return durable.Failure("read open ledger segment", full.rows, err)
	}
	file := o.sinks.Of(full.tenant).Create(full.name)
	sum := sha256.New()
	out := &sinkWriter{ctx: ctx, file: file}
	info, err := ledger.Seal(&teeHash{out, sum}, rows[:at.Bytes], at.Rows)
	if err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	record.Size = info.Bytes
	record.Sum = sum.Sum(nil)
	if err := file.Seal(ctx, [32]byte(record.Sum)); err != nil {
		return err
	}
	close(full.seal.done)
	return nil
}
