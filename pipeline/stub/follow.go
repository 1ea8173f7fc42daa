package stub

import (
	"context"
	"errors"
	"io"
)

// Follower reads the stubs that are committed to a log, and waits for more.
type Follower struct {
	ctx   context.Context
	log   *Log
	bytes io.ReadCloser
	at    int64
	known *Reader // of what was committed when it was made
}

// Stubs follows a log from offset on, until nothing can come any more or ctx
// ends.
func (l *Log) Stubs(ctx context.Context, offset int64) *Follower {
	return &Follower{ctx: ctx, log: l, at: offset}
}

// Next reads the next stub, like [Reader.Next]: it returns io.EOF when the last
// one was read and the log is complete.
func (f *Follower) Next(s *Stub) error {
	for {
		if f.known != nil {
			err := f.known.Next(s)
			f.at = f.known.Offset()
			if !errors.Is(err, io.EOF) {
				return err
			}
			f.known = nil
		}
		end, err := f.log.wait(f.ctx, f.at)
		if err != nil {
			return err
		}
		if f.bytes == nil {
			f.bytes = f.log.Follow(f.ctx, f.at)
		}
		f.known = NewReader(f.bytes, f.log.dir, f.at, end)
	}
}

// Offset returns the position behind the stub that was read last.
func (f *Follower) Offset() int64 { return f.at }

// Close gives up what the follower holds.
func (f *Follower) Close() error {
	if f.bytes == nil {
		return nil
	}
	return f.bytes.Close()
}
