package sinktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// testResume marks a file at each critical size, goes on for a while, dies, and
// writes the rest from the mark.
func testResume(t *testing.T, p Place) {
	whole := content(1, 3*p.Chunk+7)
	want := map[string][]byte{}
	type marked struct {
		size  int
		state json.RawMessage
	}
	marks := map[string]marked{}
	first, kill := begin(t, p)
	for _, size := range sizes(p) {
		for _, beyond := range []int{0, 1, p.Chunk + 3} {
			name := fmt.Sprintf("v%d-%d/Patient-v1-00000.ndjson", size, beyond)
			f := first.Create(name)
			add(t, f, whole[:size])
			marks[name] = marked{size, mark(t, f)}
			add(t, f, whole[size:min(size+beyond, len(whole))])
			want[name] = whole
		}
	}
	kill()
	wantVisible(t, p, nil)

	sink := open(t, p)
	open := map[string]json.RawMessage{}
	for name, m := range marks {
		open[name] = m.state
	}
	check(t, sink.Sweep(t.Context(), open))
	for name, m := range marks {
		f, err := resume(t.Context(), sink, name, whole[:m.size], m.state)
		check(t, err)
		add(t, f, whole[m.size:])
		seal(t, sink, f, whole)
	}
	wantOnly(t, p, want)
}

// resume goes on with a file that holds these bytes by the checkpoint, and asks
// for the last of them, as a hash does.
func resume(ctx context.Context, s pipeline.Sink, name string, holds []byte, state json.RawMessage) (pipeline.File, error) {
	f := s.Resume(name, int64(len(holds)), state)
	n := len(holds) % 64
	if n == 0 {
		return f, nil
	}
	last, err := f.Last(ctx, n)
	if err == nil && !bytes.Equal(last, holds[len(holds)-n:]) {
		err = fmt.Errorf("the last %d of the %d bytes of %s are others", n, len(holds), name)
	}
	return f, err
}

// testResumeTwice: a mark can be resumed again as long as no later one is
// committed, whatever was written since, and made durable for a commit that
// never came.
func testResumeTwice(t *testing.T, p Place) {
	whole := content(1, 4*p.Chunk+7)
	sink, kill := begin(t, p)
	for _, size := range []int{1, p.Chunk + 1, 2 * p.Chunk} {
		name := fmt.Sprintf("v%d-0/Patient-v1-00000.ndjson", size)
		f := sink.Create(name)
		add(t, f, whole[:size])
		state := mark(t, f)
		check(t, sink.Settle(t.Context()))
		for range 3 {
			kill()
			sink, kill = p.Open()
			check(t, sink.Sweep(t.Context(), map[string]json.RawMessage{name: state}))
			var err error
			f, err = resume(t.Context(), sink, name, whole[:size], state)
			check(t, err)
			add(t, f, whole[size:])
			mark(t, f)
			check(t, sink.Settle(t.Context()))
		}
		seal(t, sink, f, whole)
	}
	kill()
	wantNoLeftovers(t, p)
}

// I1: Mark's function has synced the file's bytes, and the directory if its
// name is new there. A disk forgets in a power cut what was not synced; no test
// can pull the plug, so this one watches the syncs.
func testDurable(t *testing.T, p Place) {
	sink := open(t, p)
	for _, name := range []string{"v1-0/a.ndjson", "v1-0/b.ndjson"} {
		f := sink.Create(name)
		for i := range 2 {
			check(t, f.Append(t.Context(), []byte("line\n")))
			synced := passed(func() { mark(t, f) })
			if synced["fsync"] == 0 {
				t.Errorf("%s: mark %d without a sync of the bytes", name, i)
			}
			if i == 0 && synced["syncdir"] == 0 {
				t.Errorf("%s: mark %d without a sync of the directory", name, i)
			}
		}
	}
}

// passed counts the fault points that do passes.
func passed(do func()) map[string]int {
	var mu sync.Mutex
	points := map[string]int{}
	defer faultpoint.Set(func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		points[point]++
		return nil
	})()
	do()
	return points
}

// testCutOff ends a file at its mark: what an earlier process wrote beyond it
// is gone.
func testCutOff(t *testing.T, p Place) {
	whole := content(1, 3*p.Chunk+7)
	want := map[string][]byte{}
	for _, size := range sizes(p) {
		name := fmt.Sprintf("v%d-0/Patient-v1-00000.ndjson", size)
		first, kill := begin(t, p)
		f := first.Create(name)
		add(t, f, whole[:size])
		state := mark(t, f)
		add(t, f, content(2, p.Chunk+3))
		mark(t, f)
		kill()

		want[name] = whole[:size]
		sink := open(t, p)
		check(t, sink.Sweep(t.Context(), map[string]json.RawMessage{name: state}))
		f, err := resume(t.Context(), sink, name, want[name], state)
		check(t, err)
		seal(t, sink, f, want[name])
	}
	wantOnly(t, p, want)
}

func testResumeAfterSeal(t *testing.T, p Place) {
	for _, size := range sizes(p) {
		name := fmt.Sprintf("v%d-0/Patient-v1-00000.ndjson", size)
		whole := content(1, size)
		half := size / 2
		first, kill := begin(t, p)
		f := first.Create(name)
		add(t, f, whole[:half])
		state := mark(t, f)
		add(t, f, whole[half:])
		check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
		kill()

		second, kill := p.Open()
		check(t, second.Sweep(t.Context(), map[string]json.RawMessage{name: state}))
		f, err := resume(t.Context(), second, name, whole[:half], state)
		check(t, err)
		add(t, f, whole[half:])
		state = mark(t, f)
		seal(t, second, f, whole)
		kill()

		// A third process, from the second's mark, and one that has other bytes.
		third := open(t, p)
		f, err = resume(t.Context(), third, name, whole, state)
		check(t, err)
		seal(t, third, f, whole)
		wantNoLeftovers(t, p)
		f = third.Resume(name, int64(size), state)
		check(t, f.Append(t.Context(), []byte("x")))
		wantKind(t, f.Seal(t.Context(), sha256.Sum256(append(whole[:size:size], 'x'))), pipeline.KindFatal)
	}
}

// Losing what was durable is told, never papered over.
func testResumeWithoutBytes(t *testing.T, p Place) {
	for _, size := range []int{5, p.Chunk, 2*p.Chunk + 5} {
		whole := content(1, size)
		name := fmt.Sprintf("v%d-0/Patient-v1-00000.ndjson", size)
		first, kill := begin(t, p)
		f := first.Create(name)
		add(t, f, whole)
		state := mark(t, f)
		check(t, first.Remove(t.Context(), name))
		kill()

		f = open(t, p).Resume(name, int64(size), state)
		if n := size % 64; n > 0 {
			_, err := f.Last(t.Context(), n)
			wantKind(t, err, pipeline.KindFatal)
		}
		err := f.Append(t.Context(), []byte("x"))
		if err == nil {
			err = f.Seal(t.Context(), sha256.Sum256(append(whole, 'x')))
		}
		wantKind(t, err, pipeline.KindFatal)
		if !strings.Contains(pipeline.HintOf(err), "--restart") {
			t.Errorf("hint %q does not name the remedy", pipeline.HintOf(err))
		}
	}
	wantVisible(t, p, nil)
}

// testMarkBeside runs Mark's functions late: beside Appends, and after Seal.
func testMarkBeside(t *testing.T, p Place) {
	whole := content(1, 3*p.Chunk+7)
	first, kill := begin(t, p)
	f := first.Create(fileName)
	type result struct {
		size  int
		state json.RawMessage
		err   error
	}
	var running []chan result
	for at := 0; at < len(whole); {
		n := min(p.Chunk/2+1, len(whole)-at)
		check(t, f.Append(t.Context(), whole[at:at+n]))
		at += n
		durable, done := f.Mark(), make(chan result, 1)
		running = append(running, done)
		go func() {
			state, err := durable(background())
			done <- result{at, state, err}
		}()
	}
	late := f.Mark()
	check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
	state, err := late(t.Context())
	check(t, err)
	results := []result{{len(whole), state, nil}}
	for _, done := range running {
		results = append(results, <-done)
	}
	kill()

	for _, r := range results {
		check(t, r.err)
		sink, kill := p.Open()
		f := sink.Resume(fileName, int64(r.size), r.state)
		add(t, f, whole[r.size:])
		seal(t, sink, f, whole)
		kill()
	}
	wantOnly(t, p, map[string][]byte{fileName: whole})
}

// testSweep: what the checkpoint knows stays, what it does not know goes.
func testSweep(t *testing.T, p Place) {
	whole := content(1, 2*p.Chunk+5)
	first, kill := begin(t, p)
	want := map[string][]byte{claimName: []byte(`{}`)}
	known := map[string]json.RawMessage{}
	for i := range 3 {
		sealed := first.Create(fmt.Sprintf("v1-%d/sealed.ndjson", i))
		add(t, sealed, whole)
		seal(t, first, sealed, whole)
		want[fmt.Sprintf("v1-%d/sealed.ndjson", i)] = whole

		stray := first.Create(fmt.Sprintf("v1-%d/stray.ndjson", i))
		add(t, stray, whole)
		mark(t, stray) // durable, but its commit was never reached

		kept := first.Create(fmt.Sprintf("v1-%d/kept.ndjson", i))
		add(t, kept, whole[:p.Chunk+1])
		known[fmt.Sprintf("v1-%d/kept.ndjson", i)] = mark(t, kept)
	}
	kill()

	sink := open(t, p)
	check(t, sink.Claim(t.Context(), []byte(`{}`)))
	check(t, sink.Sweep(t.Context(), known))
	wantVisible(t, p, want)
	for name, state := range known {
		f := sink.Resume(name, int64(p.Chunk+1), state)
		add(t, f, whole[p.Chunk+1:])
		seal(t, sink, f, whole)
		want[name] = whole
	}
	wantOnly(t, p, want)
}
