package split

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/fhirhose/fhirhose/pipeline"
)

// ErrBig says that the batch needs a buffer of more than 512 KiB. Nothing is lost:
// what was inflated sits in the Batch and in the Reader, and Next goes on with
// the same Batch when big is allowed.
var ErrBig = errors.New("batch needs a big buffer")

// Options scale a Reader down for tests. Zero values mean the constants of the
// format version; anything else gives other batches and so another output.
type Options struct {
	BatchBytes     int // see [pipeline.BatchBytes]
	MaxRecordBytes int // see [pipeline.MaxRecordBytes]

	// Plain says that objects are no gzip, and that lines with nothing but white
	// space in them are no records.
	Plain bool
}

// decoder gives the bytes of an object. Read returns bytes or an error, never both.
type decoder interface {
	io.Reader

	// fill reads into p[from:]. p[:from] ends with what fill has written since the
	// last keep.
	fill(p []byte, from int) (int, error)

	// keep lets go of the buffer that fill has written to.
	keep()

	// taken returns the bytes that were taken of what the object is stored as.
	taken() int64

	reset(stored io.Reader)
}

// Reader splits one object. It is used by one goroutine at a time, needs no
// Close, and starts no goroutine.
type Reader struct {
	decoder decoder
	plain   bool
	batch   int // bytes that end a batch
	record  int // longest line

	carry []byte   // inflated, but of the next batch
	at    Position // of the next batch's first byte

	// The batch in progress, or nil; it outlives a Next that returned ErrBig.
	current *Batch
	start   int // of the line that has not ended yet, in Batch.Data
	scanned int // no LF in Batch.Data[start:scanned]
}

// NewReader returns a Reader of an object's stored bytes: gzip of any number of
// members, or plain lines. An error of stored, such as a cancelled context, ends
// the Reader and is returned as it is.
func NewReader(stored io.Reader, options Options) *Reader {
	r := &Reader{
		decoder: new(inflater), plain: options.Plain,
		batch:  cmp.Or(options.BatchBytes, pipeline.BatchBytes),
		record: cmp.Or(options.MaxRecordBytes, pipeline.MaxRecordBytes),
		carry:  make([]byte, 0, readBytes),
	}
	if r.plain {
		r.decoder = new(plain)
	}
	r.Reset(stored)
	return r
}

// Reset makes r read another object with the same buffers.
func (r *Reader) Reset(stored io.Reader) {
	r.decoder.reset(stored)
	r.carry = r.carry[:0]
	r.at, r.current = Position{}, nil
}

// Skip goes on at the end of a batch that an earlier reader returned: see
// [Batch.End]. It inflates and discards without looking for lines, and
// returns [ErrChanged] if the bytes are not those of the earlier reader. It is
// called before the first Next.
func (r *Reader) Skip(to Position) error {
	if len(r.carry) > 0 || r.current != nil || to.Offset < r.at.Offset || to.Records < r.at.Records {
		return errors.New("skip: position lies behind what was read")
	}
	for r.at.Offset < to.Offset {
		n, err := r.decoder.Read(r.carry[:min(int64(cap(r.carry)), to.Offset-r.at.Offset)])
		r.at.pass(r.carry[:n])
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it ends at decompressed byte %d", ErrChanged, r.at.Offset)
		}
		if err != nil {
			return err
		}
	}
	if r.at.Sum != to.Sum {
		return ErrChanged
	}
	r.at.Records = to.Records
	return nil
}

// Next fills b with the next batch and returns io.EOF where there is none.
//
// With big false it returns [ErrBig] rather than let b.Data grow past 512 KiB; the
// next call must bring the same b and big true. The caller lets one lane at a
// time do so, and calls b.Shrink when it is done with the batch.
//
// An error that wraps [ErrCorrupt] comes after every batch that was complete
// before the defect; the lines of the incomplete one are not returned.
func (r *Reader) Next(b *Batch, big bool) error {
	switch r.current {
	case nil:
		r.begin(b)
	case b:
	default:
		return errors.New("next: another batch is in progress")
	}
	for {
		if end, ok := r.scan(b); ok {
			r.finish(b, end)
			return nil
		}
		if len(b.Data)-r.start > r.record {
			return r.discard(b)
		}
		switch err := r.fill(b, big); {
		case errors.Is(err, io.EOF):
			return r.finishObject(b)
		case err != nil:
			return err
		}
	}
}

func (r *Reader) begin(b *Batch) {
	b.Shrink()
	b.Data, b.Lines = b.Data[:0], b.Lines[:0]
	if need := r.batch + readBytes + tailBytes; cap(b.Data) < need {
		b.grow(need)
	}
	b.Data = append(b.Data, r.carry...)
	r.carry = r.carry[:0]
	r.current, r.start, r.scanned = b, 0, 0
}

// scan lists the lines in the bytes that are new. It returns where the batch
// ends, if it does.
func (r *Reader) scan(b *Batch) (end int, ok bool) {
	for {
		i := bytes.IndexByte(b.Data[r.scanned:], '\n')
		if i < 0 {
			r.scanned = len(b.Data)
			return 0, false
		}
		lf := r.scanned + i
		if lf-r.start > r.record {
			r.scanned = lf
			return 0, false
		}
		r.list(b, lf)
		r.start, r.scanned = lf+1, lf+1
		if r.start >= r.batch {
			return r.start, true
		}
	}
}

// list adds the line that ends at end.
func (r *Reader) list(b *Batch, end int) {
	if !r.plain || !blank(b.Data[r.start:end]) {
		b.Lines = append(b.Lines, Line{uint32(r.start), uint32(end)})
	}
}

// fill inflates once behind what b holds.
func (r *Reader) fill(b *Batch, big bool) error {
	if b.room() == 0 {
		if err := r.grow(b, big); err != nil {
			return err
		}
	}
	held := len(b.Data)
	n, err := r.decoder.fill(b.Data[:held+min(b.room(), readBytes)], held)
	b.Data = b.Data[:held+n]
	return err
}

// grow takes few, large steps: what a step leaves behind is garbage, and counts.
func (r *Reader) grow(b *Batch, big bool) error {
	for _, capacity := range [...]int{normalBytes, bigBytes, math.MaxInt} {
		if capacity <= cap(b.Data) {
			continue
		}
		if capacity > normalBytes && !big {
			return ErrBig
		}
		b.grow(min(capacity, r.batch+r.record+readBytes+tailBytes))
		return nil
	}
	return nil
}

// finish closes the batch at end and looks whether the object goes on.
func (r *Reader) finish(b *Batch, end int) {
	r.carry = append(r.carry[:0], b.Data[end:]...)
	b.Data = b.Data[:end]
	from := r.at
	r.at.pass(b.Data)
	r.close(b, from)
}

// close ends the batch that began at from; r.at has passed its bytes.
func (r *Reader) close(b *Batch, from Position) {
	r.decoder.keep()
	r.at.Records += int64(len(b.Lines))
	b.First, b.Offset, b.End, b.Last = from.Records+1, from.Offset, r.at, false
	r.current = nil
	if len(r.carry) == 0 {
		n, err := r.decoder.Read(r.carry[:readBytes])
		r.carry = r.carry[:n]
		b.Last = errors.Is(err, io.EOF)
	}
	b.Compressed = r.decoder.taken()
}

// finishObject ends the last batch; its last line may lack the LF.
func (r *Reader) finishObject(b *Batch) error {
	if len(b.Data) > r.start {
		r.list(b, len(b.Data))
	}
	if len(b.Data) == 0 {
		r.current = nil
		return io.EOF
	}
	r.finish(b, len(b.Data))
	return nil
}
