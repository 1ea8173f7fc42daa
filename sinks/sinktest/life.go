package sinktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
)

// life is one file as a pipeline treats it, at random: appends, cuts that are
// committed or not, kills.
type life struct {
	place     Place
	name      string
	whole     []byte
	committed position
	inCut     bool // the checkpoint knows the file
	claimed   bool

	sink pipeline.Sink
	kill func()
	file pipeline.File
	size int
}

// testLives drives one file through random lives: whatever happens, it ends
// with its bytes, and nothing else is left.
func testLives(t *testing.T, p Place) {
	lives := 0
	rapid.Check(t, func(t *rapid.T) {
		lives++
		l := &life{place: p, name: fmt.Sprintf("v1-0/life-%d.ndjson", lives)}
		l.whole = content(uint64(lives), rapid.IntRange(0, 4*p.Chunk).Draw(t, "size"))
		if err := l.run(t); err != nil {
			t.Fatal(err)
		}
		if got := p.Visible(l.name)[l.name]; !bytes.Equal(got, l.whole) {
			t.Fatalf("%d bytes are visible, of %d", len(got), len(l.whole))
		}
		if left := p.Leftovers(); len(left) > 0 {
			t.Fatalf("left over: %q", left)
		}
	})
}

func (l *life) run(t *rapid.T) error {
	ctx := background()
	if err := l.start(ctx); err != nil {
		return err
	}
	defer func() { l.kill() }()
	for l.size < len(l.whole) {
		var err error
		switch rapid.SampledFrom([]string{"append", "append", "append", "cut", "lost cut", "kill"}).Draw(t, "step") {
		case "append":
			n := min(len(l.whole)-l.size, rapid.IntRange(0, 3*l.place.Chunk/2).Draw(t, "bytes"))
			err = l.file.Append(ctx, l.whole[l.size:l.size+n])
			l.size += n
		case "cut":
			err = l.cut(ctx, true)
		case "lost cut":
			err = l.cut(ctx, false)
		case "kill":
			l.kill()
			err = l.start(ctx)
		}
		if err != nil {
			return err
		}
	}
	if err := l.file.Seal(ctx, sha256.Sum256(l.whole)); err != nil {
		return err
	}
	if rapid.Bool().Draw(t, "kill after seal") {
		l.kill()
		if err := l.start(ctx); err != nil {
			return err
		}
		if err := l.file.Append(ctx, l.whole[l.size:]); err != nil {
			return err
		}
		if err := l.file.Seal(ctx, sha256.Sum256(l.whole)); err != nil {
			return err
		}
	}
	return l.sink.Settle(ctx)
}

// start is a new process, from the checkpoint.
func (l *life) start(ctx context.Context) error {
	l.sink, l.kill = l.place.Open()
	if err := l.sink.Claim(ctx, []byte("{}")); err != nil {
		return err
	}
	open := map[string]json.RawMessage{}
	if l.inCut {
		open[l.name] = l.committed.state
	}
	if l.claimed {
		if err := l.sink.Sweep(ctx, open); err != nil {
			return err
		}
	}
	l.claimed = true
	l.size = l.committed.size
	if !l.inCut {
		l.file = l.sink.Create(l.name)
		return nil
	}
	var err error
	l.file, err = resume(ctx, l.sink, l.name, l.whole[:l.size], l.committed.state)
	return err
}

func (l *life) cut(ctx context.Context, commit bool) error {
	state, err := l.file.Mark()(ctx)
	if err != nil {
		return err
	}
	if err := l.sink.Settle(ctx); err != nil {
		return err
	}
	if commit {
		l.committed, l.inCut = position{size: l.size, state: state}, true
		return nil
	}
	// A cut whose commit fails is the last thing that a process does.
	l.kill()
	return l.start(ctx)
}
