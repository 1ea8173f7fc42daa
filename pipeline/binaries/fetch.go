package binaries

import (
	"context"
	"errors"
	"io"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// readBytes is how much of a content is read, encoded and hashed at a time: a
// multiple of 3 that stays in a core's cache.
const readBytes = 48 << 10

// fetcher fetches small contents into the lines that they will be part of. Its
// buffers are reused.
type fetcher struct {
	p   *Pipeline
	raw []byte
	sum digesting
}

func (p *Pipeline) newFetcher() *fetcher {
	return &fetcher{p: p, raw: make([]byte, readBytes), sum: digesting{turn: make(chan bool, 1)}}
}

// fetch fetches the row's content. A content that is not what was listed changes
// the verdict.
func (f *fetcher) fetch(ctx context.Context, it *item) error {
	return f.p.obtain(ctx, it, func(c pipeline.Content) error {
		if err := faultpoint.At("fetch"); err != nil {
			return err
		}
		body, err := f.p.contents.Open(ctx, c, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.encode(it, body), body.Close())
	})
}

// stage copies the row's content to the spool.
func (p *Pipeline) stage(ctx context.Context, it *item) error {
	if it.resume { // staged by the process that placed its beginning
		if p.spool.whole(it.row, it.content.Size) {
			return nil
		}
		return p.about(it, "go on within content", output.Damaged(errors.New("its staged copy is not in `state`")))
	}
	return p.obtain(ctx, it, func(c pipeline.Content) error {
		if err := p.contents.Stage(ctx, c, p.spool.path(it.row)); err != nil {
			return err
		}
		if !p.spool.whole(it.row, c.Size) {
			return pipeline.ErrContentChanged
		}
		p.live.fetched.Add(c.Size)
		return nil
	})
}

// obtain calls get for the row's content, and deals with one that changed or is
// gone. A gone one may still be there as a noncurrent object.
func (p *Pipeline) obtain(ctx context.Context, it *item, get func(pipeline.Content) error) error {
	p.live.inFlight.Add(1)
	defer p.live.inFlight.Add(-1)
	listed := it.content
	for {
		err := get(it.content)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, pipeline.ErrContentChanged):
			it.verdict = verdict{reason: pipeline.ContentChanged}
			return nil
		case !errors.Is(err, pipeline.ErrContentGone):
			return p.about(it, "read content", err)
		}
		again := it.recovered
		if it.verdict, err = p.lost(ctx, it); err != nil {
			return p.about(it, "find content", err)
		}
		switch {
		case !it.fill:
			return nil
		case it.content.ETag != listed.ETag || it.content.Size != listed.Size:
			// Room was given for what was listed, and this is something else.
			it.verdict = verdict{reason: pipeline.ContentChanged}
			return nil
		case again: // it is there, and it is not
			it.verdict = verdict{reason: pipeline.ContentMissing}
			return nil
		}
	}
}

// encode makes the row's line of its content, and the digest of both.
func (f *fetcher) encode(it *item, body io.Reader) error {
	head, opening := it.head(f.p.opening)
	line := append(append(it.room.b, head...), opening...)
	text := len(line)
	for left := it.content.Size; left > 0; {
		raw := f.raw[:min(left, readBytes)]
		if err := readAll(body, raw); err != nil {
			return err
		}
		left -= int64(len(raw))
		f.p.live.fetched.Add(int64(len(raw)))
		from := len(line)
		line = line[:from+int(encodedLen(int64(len(raw))))]
		encode(line[from:], raw)
	}
	if err := ended(body, f.raw[:1]); err != nil {
		return err
	}
	f.sum.before, f.sum.text, f.sum.after = it.stub.Before, line[text:], it.stub.After
	f.p.digests.make(&f.sum)
	it.digest = f.sum.sum
	it.line = append(line, filledEnd...)
	return nil
}

// readAll fills p. A content that ends early is not the one that was listed.
func readAll(body io.Reader, p []byte) error {
	_, err := io.ReadFull(body, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return pipeline.ErrContentChanged
	}
	return err
}

// ended proves that nothing comes any more.
func ended(body io.Reader, p []byte) error {
	n, err := io.ReadFull(body, p)
	switch {
	case n > 0:
		return pipeline.ErrContentChanged
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}
