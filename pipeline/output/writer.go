package output

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// job is one message to a writer or the ledger: a batch, files to close after
// it, or a cut that stands behind everything sent before.
type job struct {
	batch  Batch
	closed []*shard.File
	cut    *cut
}

// chunkBytes is how much of a file is gathered before the sink sees it; a multiple
// of every page size.
const chunkBytes = 256 << 10

// writer owns the files of its slots, and the memory of their newest bytes.
type writer struct {
	o      *Output
	n      int
	jobs   chan job
	files  map[*shard.File]*open
	dirty  []*open // changed since the last cut
	seals  []*seal // begun since the last cut
	late   chunk   // with the sink, and not yet in its file's sum
	spare  []byte  // nil, or the buffer for the file of the next late chunk
	held   int64   // capacity of all buffers
	budget int64

	inMemory atomic.Int64 // held, for the operator
}

// open is one file that takes lines.
type open struct {
	file  *shard.File // Size and Lines in it belong to the merge
	sink  pipeline.File
	buf   []byte
	size  int64
	lines uint32
	most  int64 // bytes of the longest line
	sum   sha.Sum
	state []byte // of sum, where an earlier process left it; nil once sum goes on from there
	dirty bool
}

func (w *writer) run(ctx context.Context) error {
	for {
		select {
		case j, ok := <-w.jobs:
			if !ok {
				return nil
			}
			stop := w.o.Write.Start()
			err := w.do(ctx, j)
			stop()
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *writer) do(ctx context.Context, j job) error {
	if j.cut != nil {
		return w.cut(ctx, j.cut)
	}
	if j.batch != nil {
		for _, piece := range j.batch.Pieces(w.n) {
			if err := w.append(ctx, piece); err != nil {
				return err
			}
		}
		j.batch.Written()
		j.batch.Release()
	}
	for _, file := range j.closed {
		if err := w.flush(ctx, w.files[file]); err != nil {
			return err
		}
	}
	for _, file := range j.closed {
		if err := w.seal(ctx, file); err != nil {
			return err
		}
	}
	w.inMemory.Store(w.held)
	if w.held > w.budget {
		return w.flushAll(ctx)
	}
	return nil
}

func (w *writer) append(ctx context.Context, piece Piece) error {
	out := w.files[piece.File]
	if out == nil {
		if !piece.First {
			return fmt.Errorf("bug: piece for unknown file %s", piece.File.Name())
		}
		out = &open{file: piece.File, sink: w.o.sinks.Of(piece.File.Slot.Tenant).Create(piece.File.Name())}
		w.files[piece.File] = out
		w.o.options.Watch.FileOpened()
	}
	if !out.dirty {
		out.dirty = true
		w.dirty = append(w.dirty, out)
	}
	out.lines += uint32(piece.Lines)
	out.most = max(out.most, piece.Longest)
	return w.gather(ctx, out, piece.Data)
}

// gather adds p to the file's newest bytes, which the sink sees in chunks that
// begin and end at multiples of chunkBytes: no page of a disk is written twice.
func (w *writer) gather(ctx context.Context, out *open, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), chunkBytes-int(out.size%chunkBytes)-len(out.buf))
		held := cap(out.buf)
		out.buf = append(out.buf, p[:n]...)
		w.held += int64(cap(out.buf) - held)
		p = p[n:]
		if (out.size+int64(len(out.buf)))%chunkBytes == 0 {
			if err := w.flush(ctx, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush hands a file's newest bytes to the sink and leaves it an empty buffer.
func (w *writer) flush(ctx context.Context, out *open) error {
	if err := out.goOn(ctx); err != nil || len(out.buf) == 0 {
		return err
	}
	if err := out.sink.Append(ctx, out.buf); err != nil {
		return err
	}
	out.size += int64(len(out.buf))
	w.hash(out)
	return nil
}

// chunk is what a file has handed to the sink last.
type chunk struct {
	file *open
	data []byte
}

// hash takes a file's buffer into its sum together with the chunk that waits for
// it: two are hashed in less time than one after the other. Without one, the buffer
// itself waits.
func (w *writer) hash(out *open) {
	if w.late.file != nil && w.late.file != out {
		sha.WriteBoth(&w.late.file.sum, w.late.data, &out.sum, out.buf)
		w.late, w.spare = chunk{}, w.late.data
		out.buf = out.buf[:0]
		return
	}
	w.hashLate()
	w.late = chunk{out, out.buf}
	w.held += int64(cap(w.spare) - cap(out.buf))
	out.buf, w.spare = w.spare[:0], nil
}

// hashLate brings the sums of all files to where the sink is.
func (w *writer) hashLate() {
	if w.late.file != nil {
		_, _ = w.late.file.sum.Write(w.late.data) // never fails
		w.late, w.spare = chunk{}, w.late.data
	}
}

// goOn brings the file's sum to where the file is. The checkpoint holds none of
// the bytes behind the sum's last whole block (I10): the sink has them.
func (out *open) goOn(ctx context.Context) (err error) {
	if out.state == nil {
		return nil
	}
	var rest []byte
	if n := out.size % sha.BlockSize; n > 0 {
		if rest, err = out.sink.Last(ctx, int(n)); err != nil {
			return err
		}
	}
	if out.sum, err = sha.Resume(out.state, out.size, rest); err != nil {
		return Damaged(err)
	}
	out.state = nil
	return nil
}

// flushAll gives all buffers back: memory is over budget.
func (w *writer) flushAll(ctx context.Context) error {
	for _, out := range w.files {
		if err := w.flush(ctx, out); err != nil {
			return err
		}
		out.buf = nil
	}
	w.held = 0
	return nil
}

// seal queues a file that is with the sink for sealing. While the queue is full
// the writer waits, and with it the merge.
func (w *writer) seal(ctx context.Context, file *shard.File) error {
	out := w.files[file]
	w.hashLate()
	w.held -= int64(cap(out.buf))
	delete(w.files, file)
	out.buf = nil
	s := &seal{key: keyOf(file), sink: out.sink, sum: out.sum.Sum(), done: make(chan struct{})}
	s.record = FileRecord{OpenFile: out.snapshot(), Longest: out.most, Sealed: true, Sum: s.sum[:]}
	w.seals = append(w.seals, s)
	return Send(ctx, w.o.seals, s)
}

// snapshot is the file's state by the writer's own count: the merge is ahead.
func (out *open) snapshot() shard.OpenFile {
	return shard.OpenFile{
		Tenant: out.file.Slot.Tenant, Type: out.file.Slot.Type, Version: out.file.Slot.Version,
		Folder: out.file.Folder, Number: out.file.Number,
		Size: out.size, Lines: out.lines,
	}
}

// cut hands everything that came before it to the sink, and to the committer
// what makes it durable.
func (w *writer) cut(ctx context.Context, c *cut) error {
	part := cutPart{seals: w.seals}
	w.dirty = slices.DeleteFunc(w.dirty, func(out *open) bool {
		return w.files[out.file] != out // sealed meanwhile
	})
	for _, out := range w.dirty {
		if err := w.flush(ctx, out); err != nil {
			return err
		}
	}
	w.hashLate()
	for _, out := range w.dirty {
		out.dirty = false
		part.files = append(part.files, fileMark{
			key:    keyOf(out.file),
			record: FileRecord{OpenFile: out.snapshot(), Longest: out.most, Sum: out.sum.State()},
			settle: out.sink.Mark(),
		})
	}
	w.dirty, w.seals = w.dirty[:0], nil
	c.parts <- part // has a place for every part
	return nil
}

// seal is one file on its way to its final name.
type seal struct {
	key    string
	sink   pipeline.File
	sum    [sha.Size]byte
	record FileRecord
	done   chan struct{}
}

// runSealer seals files until the queue closes.
func (o *Output) runSealer(ctx context.Context) error {
	for {
		select {
		case s, ok := <-o.seals:
			if !ok {
				return nil
			}
			if err := s.sink.Seal(ctx, s.sum); err != nil {
				return err
			}
			o.options.Watch.FileSealed()
			close(s.done)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
