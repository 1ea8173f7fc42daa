package output

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// ledgerState is how far the ledger had come at a cut: Segment is the open
// segment's number; its first Rows rows are the first Bytes bytes of its file.
type ledgerState struct {
	Segment int   `json:"segment"`
	Rows    int   `json:"rows"`
	Bytes   int64 `json:"bytes"`
}

// book is the ledger stage: it fills in where each record was written, gathers
// the rows of the open segment in a local file, and seals full segments.
type book struct {
	o     *Output
	jobs  chan job
	at    ledgerState // by what is in buf or the file
	buf   []byte      // rows that are not in the file yet
	seals []*seal     // begun since the last cut
	old   []int       // segments sealed since the last cut: their rows can go
	gone  []int       // segments whose seal is committed by the cut before
}

// bookBytes is how many bytes of rows are gathered before they are written.
const bookBytes = 512 << 10

func (k *book) path(segment int) string {
	return filepath.Join(k.o.options.State, "open", fmt.Sprintf("%s-%05d.rows", k.o.options.Name, segment))
}

// LedgerFolder is where sealed segments lie in the sink.
const LedgerFolder = "_fhirhose/ledger/"

func (o *Output) segmentName(segment int) string {
	return fmt.Sprintf("%s%s%05d.ledger", LedgerFolder, o.options.Ledger, segment)
}

func (k *book) run(ctx context.Context) error {
	for {
		select {
		case j, ok := <-k.jobs:
			if !ok {
				return nil
			}
			stop := k.o.Ledger.Start()
			err := k.do(ctx, j)
			stop()
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (k *book) do(ctx context.Context, j job) error {
	if j.cut != nil {
		return k.cut(ctx, j.cut)
	}
	err := k.enter(ctx, j.batch)
	j.batch.Release()
	return err
}

// enter fills in the places of a batch's rows and appends them to the segment.
func (k *book) enter(ctx context.Context, b Batch) error {
	rows := ledger.NewRows(b.Rows())
	for i := 0; rows.Next(); i++ {
		row := rows.Row()
		if at, written := b.Place(i); written {
			row.SetPlace(at.Folder, at.File, at.Line)
		}
		k.buf = append(k.buf, row...)
		k.at.Rows++
		if k.at.Rows == k.o.options.SegmentEntries {
			if err := k.seal(ctx); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(k.buf) >= bookBytes {
		return k.flush()
	}
	return nil
}

func (k *book) flush() error {
	if len(k.buf) == 0 {
		return nil
	}
	if err := durable.WriteAt(k.path(k.at.Segment), k.at.Bytes, k.buf); err != nil {
		return durable.Failure("write open ledger segment", k.path(k.at.Segment), err)
	}
	k.at.Bytes += int64(len(k.buf))
	k.buf = k.buf[:0]
	return nil
}

// seal turns the open segment into an output file, beside the flow of data, and
// opens the next one. One segment is sealed at a time (I7).
func (k *book) seal(ctx context.Context) error {
	if err := k.flush(); err != nil {
		return err
	}
	s := &seal{name: k.o.segmentName(k.at.Segment), done: make(chan struct{})}
	s.record = FileRecord{OpenFile: shard.OpenFile{Lines: uint32(k.at.Rows)}, Sealed: true}
	if err := k.o.options.Heavy.Take(ctx); err != nil {
		return err
	}
	rows, at := k.path(k.at.Segment), k.at
	k.seals = append(k.seals, s)
	k.old = append(k.old, k.at.Segment)
	k.at = ledgerState{Segment: at.Segment + 1}
	return Send(ctx, k.o.segments, segment{s, rows, at})
}

// segment is a full ledger segment on its way to the sink.
type segment struct {
	seal *seal
	rows string // path
	at   ledgerState
}

// sealSegment packs the rows of one segment and makes them a file of the sink.
func (o *Output) sealSegment(ctx context.Context, full segment) error {
	s, path, at := full.seal, full.rows, full.at
	rows, err := os.ReadFile(path)
	if err == nil && int64(len(rows)) < at.Bytes {
		err = fmt.Errorf("it holds %d bytes, %d were written", len(rows), at.Bytes)
	}
	if err != nil {
		return durable.Failure("read open ledger segment", path, err)
	}
	file := o.sink.Create(s.name)
	sum := sha256.New()
	out := &sinkWriter{ctx: ctx, file: file}
	info, err := ledger.Seal(&teeHash{out, sum}, rows[:at.Bytes], at.Rows)
	if err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	s.record.Size = info.Bytes
	s.record.Sum = sum.Sum(nil)
	if err := file.Seal(ctx, [32]byte(s.record.Sum)); err != nil {
		return err
	}
	close(s.done)
	return nil
}

// cut makes the open segment's rows durable. The rows of sealed segments are
// removed only after the cut that records their seal is committed.
func (k *book) cut(ctx context.Context, c *cut) error {
	if c.Last && k.at.Rows > 0 {
		if err := k.seal(ctx); err != nil {
			return err
		}
	}
	for _, segment := range k.gone {
		if err := os.Remove(k.path(segment)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return durable.Failure("remove open ledger segment", k.path(segment), err)
		}
	}
	k.gone, k.old = k.old, nil
	if err := k.flush(); err != nil {
		return err
	}
	at := k.at
	part := cutPart{seals: k.seals, ledger: &at}
	k.seals = nil
	if at.Bytes > 0 {
		path := k.path(at.Segment)
		part.sync = func() error {
			if err := durable.Sync(path); err != nil {
				return durable.Failure("sync open ledger segment", path, err)
			}
			return nil
		}
	}
	c.parts <- part
	return nil
}

// resume goes back to a checkpoint: rows beyond it are overwritten.
func (k *book) resume(at ledgerState) error {
	k.at = at
	if at.Bytes == 0 {
		return nil
	}
	if err := os.Truncate(k.path(at.Segment), at.Bytes); err != nil {
		return durable.Failure("resume open ledger segment", k.path(at.Segment), err)
	}
	return nil
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
			o.options.Heavy.Release()
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
