package binaries

import (
	"context"
	"errors"
	"os"

	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// stream is a line with a large content while it passes in chunks.
type stream struct {
	file   *shard.File
	line   uint32  // its number in the file
	first  bool    // the file begins with it
	offset int64   // of the content: what was handed over
	sum    sha.Sum // of the content digest
	size   int64
	found  bool // as a noncurrent object
}

// largeState is a stream as a cut stores it.
type largeState struct {
	Offset    int64  `json:"offset"` // bytes of the content; a multiple of 3
	Sum       []byte `json:"sum"`    // sha.Sum.State of the content digest behind them
	Size      int64  `json:"size"`
	Recovered bool   `json:"recovered,omitempty"`
}

func (s *stream) snapshot() *largeState {
	return &largeState{Offset: s.offset, Sum: s.sum.State(), Size: s.size, Recovered: s.found}
}

// placeLong hands over a line with a large content, chunk by chunk: the writers
// append one while the next is encoded and hashed.
func (g *placer) placeLong(ctx context.Context, it *item) (err error) {
	if err := g.flush(ctx); err != nil {
		return err
	}
	slot := g.slots.written(&it.stub)
	content, err := os.Open(g.p.spool.path(it.row))
	if err != nil {
		return durable.Failure("read staged content", g.p.spool.path(it.row), err)
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	if g.stream, err = g.begin(it, slot, content); err != nil {
		return err
	}
	for g.stream != nil {
		if err := g.chunk(ctx, it, slot, content); err != nil {
			return err
		}
		if err := g.flush(ctx); err != nil {
			return err
		}
		if err := g.between(ctx); err != nil {
			return err
		}
	}
	return nil
}

// begin gives the line its place, or finds the one that it has.
func (g *placer) begin(it *item, slot *slot, content *os.File) (*stream, error) {
	s := &stream{size: it.content.Size, found: it.recovered}
	past := g.resume
	if !it.resume {
		at := g.sharder.AssignLine(slot.Slot, it.lineBytes(g.p.opening))
		s.file, s.line, s.first = at.File, at.FirstLine, at.New
		_, _ = s.sum.Write(it.stub.Before) // never fails
		return s, nil
	}
	g.resume = nil
	for _, file := range g.sharder.Open() {
		if file.Slot == slot.Slot {
			s.file = file
		}
	}
	if s.file == nil || past.Offset < 0 || past.Offset > past.Size || past.Offset%3 != 0 {
		return nil, output.Damaged(errors.New("the file of an open line is not open"))
	}
	if err := s.goOn(past, it.stub.Before, content); err != nil {
		return nil, err
	}
	// The cut knew the file as the writer did: with a part of this line.
	s.offset, s.line = past.Offset, s.file.Lines
	s.file.Size += encodedLen(past.Size-past.Offset) + int64(len(filledEnd))
	s.file.Lines++
	return s, nil
}

// goOn brings the content digest to where a cut left it. The bytes behind its
// last whole block, which no checkpoint holds (I10), are the last of the content's
// base64, or of what stands before it.
func (s *stream) goOn(past *largeState, before []byte, content *os.File) (err error) {
	raw := make([]byte, min(past.Offset, sha.BlockSize/4*3)) // both are multiples of 3
	if _, err := content.ReadAt(raw, past.Offset-int64(len(raw))); err != nil {
		return durable.Failure("read staged content", content.Name(), err)
	}
	end := before[max(0, len(before)-sha.BlockSize):]
	end = append(end[:len(end):len(end)], make([]byte, encodedLen(int64(len(raw))))...)
	encode(end[len(end)-int(encodedLen(int64(len(raw)))):], raw)
	size := int64(len(before)) + encodedLen(past.Offset)
	if s.sum, err = sha.Resume(past.Sum, size, end[len(end)-int(size%sha.BlockSize):]); err != nil {
		return output.Damaged(err)
	}
	return nil
}

// chunk hands over the next chunk of the content, with what stands before it at
// its beginning, and what comes behind it at its end.
func (g *placer) chunk(ctx context.Context, it *item, slot *slot, content *os.File) error {
	if err := faultpoint.At("chunk"); err != nil {
		return durable.Failure("read staged content", content.Name(), err)
	}
	b, err := g.open(ctx)
	if err != nil {
		return err
	}
	s := g.stream
	add := func(data []byte, lines int) {
		longest := int64(lines) * it.lineBytes(g.p.opening)
		b.piece(slot, output.Piece{File: s.file, Lines: lines, Longest: longest, Data: data, First: s.first})
		s.first = false
	}
	if s.offset == 0 {
		head, opening := it.head(g.p.opening)
		add(head, 0)
		add([]byte(opening), 0)
	}
	raw := g.p.raw[:min(s.size-s.offset, int64(len(g.p.raw)))]
	if _, err := content.ReadAt(raw, s.offset); err != nil {
		return durable.Failure("read staged content", content.Name(), err)
	}
	b.made = grown(b.made, int(encodedLen(int64(len(raw)))))
	encode(b.made, raw)
	_, _ = s.sum.Write(b.made)
	add(b.made, 0)
	if s.offset += int64(len(raw)); s.offset < s.size {
		return nil
	}
	add([]byte(filledEnd), 1)
	_, _ = s.sum.Write(it.stub.After)
	it.digest = s.sum.Sum()
	g.enter(b, it, output.Place{Folder: s.file.Folder, File: s.file.Number, Line: s.line})
	g.p.live.written(it, it.lineBytes(g.p.opening))
	g.stream = nil
	return g.done(b, it)
}

// grown returns a buffer of n bytes, b if it is large enough.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// between is the moment between two chunks: a cut, or a stop.
func (g *placer) between(ctx context.Context) error {
	g.dirty = true
	select {
	case <-g.stop:
		return g.halt(ctx)
	default:
		return g.cutIfDue(ctx)
	}
}
