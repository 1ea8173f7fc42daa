package binaries

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// killable has one large content among small ones, and cuts all the time.
func killable(t testing.TB) *job {
	b := newBucket()
	var rows []row
	for i := range 24 {
		rows = append(rows, row{fmt.Sprintf("id-%d", i), i%2 + 1, "AVAILABLE", "", ""})
		size := 700 * i
		switch i {
		case 3: // missing
			continue
		case 9: // two
			b.put(fmt.Sprintf("id-%d_%d.bin", i, i%2+1), nil)
		case 12: // large
			size = 45_001
		case 17: // a large one that is over the cap
			size = 95_000
		}
		b.put(fmt.Sprintf("id-%d_%d.pdf", i, i%2+1), bytes.Repeat([]byte{byte(i), 7, byte(i * i)}, size/3+1)[:size])
	}
	b.put("id-1_9.pdf", []byte("orphan"))
	j := newJob(t, rows, b)
	j.options.CutEvery, j.options.SegmentEntries, j.options.SmallBytes = time.Nanosecond, 5, 20<<10
	// The large line has others before and behind it in its file.
	j.options.Caps = shard.Caps{FileBytes: 120 << 10, FolderBytes: 200 << 10, FolderFiles: 3}
	j.log() // the record pipeline is done
	return j
}

const largeKey = "id-12_1.pdf"

var errKilled = errors.New("killed")

// process is one process of a killable job: it dies at the nth passing of a
// point, and nothing that it does after that reaches the disk.
type process struct {
	point  string // "": any
	n      int64
	passed atomic.Int64
	dead   atomic.Bool
	p      atomic.Pointer[Pipeline]

	mu     sync.Mutex
	counts map[string]int64
}

func (k *process) run(j *job) error {
	k.counts = make(map[string]int64)
	j.started = func(p *Pipeline) { k.p.Store(p) }
	defer faultpoint.Set(k.at)()
	_, _, err := j.run(nil)
	return err
}

func (k *process) at(point string) error {
	k.mu.Lock()
	k.counts[point]++
	k.mu.Unlock()
	if (k.point == "" || k.point == point) && k.passed.Add(1) == k.n {
		k.dead.Store(true)
	}
	// A cut between any two chunks: wait until the last one is done.
	for p := k.p.Load(); point == "chunk" && !k.dead.Load() && !p.out.Rested(time.Now()); {
		runtime.Gosched()
	}
	if k.dead.Load() {
		return errKilled
	}
	return nil
}

// TestKilled kills a job at every kind of moment. The next process ends it, makes
// what an uninterrupted one makes, and reads nothing again that is committed.
func TestKilled(t *testing.T) {
	whole := killable(t)
	count := &process{}
	if err := count.run(whole); err != nil {
		t.Fatal(err)
	}
	want := whole.tree()
	for _, point := range []string{"fetch", "chunk", "commit", "committed", "write", "written", "fsync", "rename", "renamed", "syncdir"} {
		if count.counts[point] == 0 {
			t.Errorf("no %q was passed", point)
		}
	}
	middle := 0
	kill := func(point string, n int64) {
		t.Run(fmt.Sprintf("%s %d", point, n), func(t *testing.T) {
			j := killable(t)
			k := &process{point: point, n: n}
			if err := k.run(j); k.dead.Load() && !errors.Is(err, errKilled) {
				t.Fatalf("the process died of %v", err)
			}
			if continues(t, j) {
				middle++
			}
			if got := j.tree(); !maps.Equal(got, want) {
				t.Errorf("another output: %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			}
		})
	}
	var all int64
	for _, point := range slices.Sorted(maps.Keys(count.counts)) {
		n := count.counts[point]
		all += n
		for _, i := range slices.Compact([]int64{1, n/2 + 1, n}) {
			kill(point, i)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 15 {
		kill("", r.Int64N(all)+1)
	}
	if middle < 10 {
		t.Errorf("only %d processes went on within the large content", middle)
	}
}

// continues runs the next process, and tells whether it had to go on within the
// large content.
func continues(t *testing.T, j *job) (within bool) {
	t.Helper()
	var past state
	j.bucket.mu.Lock()
	clear(j.bucket.opened)
	j.bucket.mu.Unlock()
	next := &process{}
	started := func(p *Pipeline) {
		if _, err := p.out.State(&past); err != nil {
			t.Fatal(err)
		}
	}
	next.counts = make(map[string]int64)
	j.started = func(p *Pipeline) { started(p); next.p.Store(p) }
	remove := faultpoint.Set(next.at)
	p, orphans, err := j.run(nil)
	remove()
	if err != nil {
		t.Fatal(err)
	}
	j.check(p, orphans)
	if left, err := os.ReadDir(p.spool.dir); err != nil || len(left) != 1 {
		t.Errorf("left in the spool: %v %v", left, err)
	}
	for i := range past.Placed {
		key := fmt.Sprintf("id-%d_%d.pdf", i, i%2+1)
		if j.bucket.opened[key] > 0 {
			t.Errorf("the content of row %d was committed, and read again", i)
		}
	}
	if past.Large == nil {
		return false
	}
	if j.bucket.opened[largeKey] > 0 {
		t.Error("the large content was read again")
	}
	chunk := int64(j.options.ChunkBytes)
	if left := (past.Large.Size - past.Large.Offset + chunk - 1) / chunk; next.counts["chunk"] != left {
		t.Errorf("%d chunks after %d of %d bytes, want %d", next.counts["chunk"], past.Large.Offset, past.Large.Size, left)
	}
	return true
}

// TestStopped: a stop is obeyed within a large content, and nothing is lost.
func TestStopped(t *testing.T) {
	whole := killable(t)
	whole.mustRun()
	for n := range int64(20) {
		j := killable(t)
		stop := make(chan struct{})
		var passed atomic.Int64
		remove := faultpoint.Set(func(string) error {
			if passed.Add(1) == n*17+1 {
				close(stop)
			}
			return nil
		})
		_, _, err := j.run(stop)
		remove()
		if err != nil && !errors.Is(err, output.ErrStopped) {
			t.Fatal(err)
		}
		p, orphans := j.mustRun()
		j.check(p, orphans)
		if !maps.Equal(j.tree(), whole.tree()) {
			t.Errorf("another output after a stop at point %d", n*17+1)
		}
	}
}
