package sinktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

var errKilled = errors.New("killed by the test")

// testFaults dies at every fault point that writing a few files passes, starts
// again from the last checkpoint, and compares everything (I2).
func testFaults(t *testing.T, p Place) {
	passages := map[string]int{}
	runJob(t, p, 0, func(point string) error { passages[point]++; return nil })
	if len(passages) == 0 {
		t.Fatal("the sink passes no fault point")
	}
	kills := p.Kills
	if kills == 0 {
		kills = 5
	}
	job := 0
	for _, point := range slices.Sorted(maps.Keys(passages)) {
		step := max(1, (passages[point]-1)/(kills-1))
		for nth := 1; nth <= passages[point]; nth += step {
			job++
			died := dieAt(point, nth)
			t.Run(fmt.Sprintf("%s %d", point, nth), func(t *testing.T) { runJob(t, p, job, died) })
		}
	}
}

// dieAt fails the nth passage of a point, and from then on every point: a dead
// process does nothing more.
func dieAt(point string, nth int) func(string) error {
	dead := false
	return func(at string) error {
		if at == point {
			nth--
		}
		dead = dead || nth == 0
		if dead {
			return errKilled
		}
		return nil
	}
}

// runJob writes a job's files with a hook at the fault points, as many
// processes as it takes, and compares.
func runJob(t *testing.T, p Place, job int, hook func(string) error) {
	t.Helper()
	w := newWriter(p, job)
	var mu sync.Mutex
	remove := faultpoint.Set(func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		return hook(point)
	})
	sink, kill := p.Open()
	err := w.run(sink)
	kill()
	remove()
	w.wantWhole(t)
	if err != nil {
		if !errors.Is(err, errKilled) {
			t.Fatalf("died of something else: %v", err)
		}
		sink, kill = p.Open()
		err = w.run(sink)
		kill()
		check(t, err)
	}
	w.wantDone(t)
}

// writer plays the pipeline: appends in turns, cuts, a checkpoint that is
// committed last.
type writer struct {
	place     Place
	folder    string // of the job's files
	want      map[string][]byte
	names     []string
	started   bool // a checkpoint exists
	committed map[string]position
}

// position is what the checkpoint knows of a file.
type position struct {
	size   int
	state  json.RawMessage
	sealed bool
}

func newWriter(p Place, job int) *writer {
	w := &writer{place: p, folder: fmt.Sprintf("job%d/", job), want: map[string][]byte{}, committed: map[string]position{}}
	for i, size := range []int{0, 3, p.Chunk, p.Chunk + p.Chunk/2, 2*p.Chunk + 5} {
		name := fmt.Sprintf("%sv%d-0/Patient-v1-%05d.ndjson", w.folder, i%2, i/2)
		w.want[name] = content(uint64(i), size)
		w.names = append(w.names, name)
	}
	return w
}

// run is one process: from the checkpoint to the end, or to its death.
func (w *writer) run(sink pipeline.Sink) error {
	ctx := background()
	if err := sink.Claim(ctx, []byte("{}")); err != nil {
		return err
	}
	files, sizes := map[string]pipeline.File{}, map[string]int{}
	open := map[string]json.RawMessage{}
	for name, at := range w.committed {
		if !at.sealed {
			open[name] = at.state
		}
	}
	if w.started {
		if err := sink.Sweep(ctx, open); err != nil {
			return err
		}
	}
	w.started = true
	for _, name := range w.names {
		at, known := w.committed[name]
		switch {
		case at.sealed:
		case known:
			files[name], sizes[name] = sink.Resume(name, int64(at.size), at.state), at.size
		default:
			files[name] = sink.Create(name)
		}
	}
	for len(files) > 0 {
		cut := w.mark(files, sizes)
		if err := w.turn(ctx, files, sizes, cut); err != nil {
			return err
		}
		if err := w.commit(ctx, sink, cut); err != nil {
			return err
		}
	}
	return nil
}

// cutFile is a file in a cut whose bytes are not yet known to be durable.
type cutFile struct {
	size    int
	sealed  bool
	durable func(context.Context) (json.RawMessage, error)
}

func (w *writer) mark(files map[string]pipeline.File, sizes map[string]int) map[string]cutFile {
	cut := map[string]cutFile{}
	for name, f := range files {
		cut[name] = cutFile{size: sizes[name], durable: f.Mark()}
	}
	return cut
}

// turn gives each file its next bytes, after the cut was taken and before it is
// made durable, and seals those that are complete. A seal enters the cut: the
// pipeline seals before it commits a position beyond the file.
func (w *writer) turn(ctx context.Context, files map[string]pipeline.File, sizes map[string]int, cut map[string]cutFile) error {
	for _, name := range w.names {
		f, ok := files[name]
		if !ok {
			continue
		}
		whole := w.want[name]
		next := min(len(whole), sizes[name]+w.place.Chunk*2/3)
		if next > sizes[name] {
			if err := f.Append(ctx, whole[sizes[name]:next]); err != nil {
				return err
			}
			sizes[name] = next
			continue
		}
		if err := f.Seal(ctx, sha256.Sum256(whole)); err != nil {
			return err
		}
		c := cut[name]
		c.sealed = true
		cut[name] = c
		delete(files, name)
	}
	return nil
}

// commit makes the cut durable and only then remembers it (I1).
func (w *writer) commit(ctx context.Context, sink pipeline.Sink, cut map[string]cutFile) error {
	next := map[string]position{}
	for name, c := range cut {
		state, err := c.durable(ctx)
		if err != nil {
			return err
		}
		next[name] = position{size: c.size, state: state, sealed: c.sealed}
	}
	if err := sink.Settle(ctx); err != nil {
		return err
	}
	maps.Copy(w.committed, next)
	return nil
}

// wantWhole: at any moment, what can be seen is whole (I8), and what was
// committed as sealed can be seen.
func (w *writer) wantWhole(t *testing.T) {
	t.Helper()
	visible := w.place.Visible(w.folder)
	for _, name := range w.names {
		got, ok := visible[name]
		if ok && !bytes.Equal(got, w.want[name]) {
			t.Errorf("after the kill %s is visible and not whole", name)
		}
		if !ok && w.committed[name].sealed {
			t.Errorf("after the kill %s is committed and not visible", name)
		}
	}
}

func (w *writer) wantDone(t *testing.T) {
	t.Helper()
	w.wantWhole(t)
	for _, name := range w.names {
		if !w.committed[name].sealed {
			t.Errorf("%s was not sealed", name)
		}
	}
	wantNoLeftovers(t, w.place)
}

func sum(p []byte) [32]byte { return sha256.Sum256(p) }
