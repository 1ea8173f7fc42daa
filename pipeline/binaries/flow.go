package binaries

import (
	"context"
	"errors"
	"io"

	"github.com/fhirhose/fhirhose/pipeline/output"
)

// read reads stubs as they are committed, in their order, until the record
// pipeline is done and all are read.
func (p *Pipeline) read(ctx context.Context) (err error) {
	feed, err := p.follow(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, feed.stubs.Close()) }()
	var row converted
	for number := p.past.Placed; ; number++ {
		err := feed.next(&row)
		if errors.Is(err, io.EOF) {
			close(p.lookups)
			close(p.looked)
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.admitRow(ctx, &row, number, feed.stubs.Offset()); err != nil {
			return err
		}
	}
}

// admitRow makes an item of a row, once there is memory for it.
func (p *Pipeline) admitRow(ctx context.Context, row *converted, number, behind int64) error {
	text, err := p.stubs.take(ctx, textBytes(row))
	if err != nil {
		return err
	}
	var it *item
	select {
	case it = <-p.items:
	case <-ctx.Done():
		return ctx.Err()
	}
	it.take(row, text)
	it.row, it.behind = number, behind
	it.resume = p.past.Large != nil && number == p.past.Placed
	p.live.waiting.Add(1)
	p.lookups <- it // these two have a place for every item
	p.looked <- it
	return nil
}

// admit gives each row memory or spool for its content, in order, and has it
// fetched or staged.
func (p *Pipeline) admit(ctx context.Context) error {
	for it := range received(ctx, p.looked) {
		select {
		case <-it.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := p.giveRoom(ctx, it); err != nil {
			return err
		}
		p.placing <- it // has a place for every item
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	close(p.fetches)
	close(p.stages)
	close(p.placing)
	return nil
}

func (p *Pipeline) giveRoom(ctx context.Context, it *item) (err error) {
	switch {
	case !it.fill:
		it.ready <- struct{}{}
		return nil
	case it.large:
		if err := p.spool.take(ctx, it.content.Size); err != nil {
			return p.about(it, "stage content", err)
		}
		it.spool = it.content.Size
		return output.Send(ctx, p.stages, it)
	default:
		it.room, err = p.lines.take(ctx, int(it.lineBytes(p.opening)))
		if err != nil {
			return err
		}
		return output.Send(ctx, p.fetches, it)
	}
}

// received yields what a channel brings until it closes or the job ends.
func received[T any](ctx context.Context, from <-chan T) func(func(T) bool) {
	return func(yield func(T) bool) {
		for {
			select {
			case v, ok := <-from:
				if !ok || !yield(v) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// work does one stage's work for one row after the other, in any order.
func work(ctx context.Context, stage *output.Stage, from <-chan *item, do func(context.Context, *item) error) error {
	for it := range received(ctx, from) {
		stop := stage.Start()
		err := do(ctx, it)
		stop()
		if err != nil {
			return err
		}
		it.ready <- struct{}{}
	}
	return ctx.Err()
}
