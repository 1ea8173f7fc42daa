package output

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
)

// TestNothingIsRecordedFirst proves I1 for the committer, with files that become
// durable in any order: a cut is stored only after all that it covers is durable
// and the names are settled, cuts are stored in order, and after the first
// failure nothing is stored any more.
func TestNothingIsRecordedFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &witness{t: t, durable: map[string]bool{}, settled: map[string]bool{}}
		sinks := NewSinks(func(string) (pipeline.Sink, error) { return w, nil }, nil, w)
		if err := sinks.Own(context.Background()); err != nil {
			t.Fatal(err)
		}
		o := New(Options{Name: "records", Writers: 1, CutRest: -1, Watch: w}, sinks, w)
		c := o.committer

		cuts := rapid.IntRange(1, 5).Draw(t, "cuts")
		failing := rapid.IntRange(-1, cuts-1).Draw(t, "failing cut")
		group, ctx := errgroup.WithContext(context.Background())
		group.Go(func() error { return c.run(ctx) })
		sent := 0
		for n := range cuts {
			next := w.cut(n, rapid.SliceOfN(rapid.IntRange(0, 3), 1, 4).Draw(t, "files of each part"), n == failing)
			if c.drain(ctx) != nil || c.send(ctx, next) != nil {
				break
			}
			sent++
		}
		close(c.cuts)
		err := group.Wait()
		want := sent
		if failing >= 0 {
			want = failing
			if !errors.Is(err, errBroken) {
				t.Fatalf("the failure was lost: %v", err)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		if w.stored != want {
			t.Fatalf("%d cuts stored, want %d", w.stored, want)
		}
	})
}

var errBroken = errors.New("broken disk")

// witness is a sink and a checkpoint that know what is durable when.
type witness struct {
	pipeline.Sink
	t       *rapid.T
	mu      sync.Mutex
	durable map[string]bool
	settled map[string]bool // durable when Settle was last called
	stored  int
}

// cut returns cut n with so many files in each part; the last one may fail.
func (w *witness) cut(n int, parts []int, fails bool) *cut {
	c := &cut{Snapshot: Snapshot{State: n, Committed: func() error { return nil }}, parts: make(chan cutPart, len(parts)+1)}
	for p, files := range parts {
		var part cutPart
		for f := range files {
			part.files = append(part.files, w.mark(strings.Repeat("f", n+1)+string(rune('a'+p))+string(rune('a'+f)), nil))
		}
		c.parts <- part
	}
	last := cutPart{seals: []*seal{w.seal(n)}}
	if fails {
		last.files = []fileMark{w.mark("x", errBroken)}
	}
	c.parts <- last
	return c
}

func (w *witness) mark(name string, fault error) fileMark {
	return fileMark{key: name, settle: func(context.Context) (json.RawMessage, error) {
		for range len(name) * 3 {
			runtime.Gosched()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.durable[name] = fault == nil
		return nil, fault
	}}
}

// seal finishes beside the committer, whenever it is scheduled.
func (w *witness) seal(n int) *seal {
	s := &seal{key: strings.Repeat("s", n+1), done: make(chan struct{})}
	go func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.durable[s.key] = true
		close(s.done)
	}()
	return s
}

func (w *witness) Claim(context.Context, []byte) error { return nil }

func (w *witness) Settle(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.Copy(w.settled, w.durable)
	return nil
}

func (w *witness) Each(string, func(string, []byte) error) error { return nil }
func (w *witness) FileOpened()                                   {}
func (w *witness) FileSealed()                                   {}
func (w *witness) FileKnown(bool)                                {}
func (w *witness) CutDone(time.Duration) error                   { return nil }
func (w *witness) Repaired() []int                               { return nil }
func (w *witness) AcceptRepairs() error                          { return nil }

func (w *witness) Commit(changes []Change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range changes {
		switch c.Bucket {
		case "records-files":
			if !w.settled[c.Key] {
				w.t.Errorf("%s recorded before it and its name were durable", c.Key)
			}
		case "records":
			if c.Key != stateKey {
				continue
			}
			var n int
			if err := json.Unmarshal(c.Value, &n); err != nil || n != w.stored {
				w.t.Errorf("cut %d stored as number %d", n, w.stored)
			}
		}
	}
	w.stored++
	return nil
}
