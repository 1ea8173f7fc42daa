package bucket_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/bucket"
)

const fileName = "v1-0/Patient-v1-00000.ndjson"

func lines(n int) []byte {
	return bytes.Repeat([]byte("a line of text\n"), n/15+1)[:n]
}

func writeFile(t *testing.T, sink *bucket.Sink, name string, whole []byte) error {
	t.Helper()
	f := sink.Create(name)
	check(t, f.Append(t.Context(), whole))
	return f.Seal(t.Context(), sha256.Sum256(whole))
}

// record counts the calls of each operation.
func (r *rig) record() map[string]int {
	calls := map[string]int{}
	r.faults.Decide(func(q *http.Request) objecttest.Fault {
		calls[objecttest.Call(q)]++
		return objecttest.NoFault
	})
	return calls
}

// In normal work nothing is listed, looked at, copied or deleted, and a small file is
// one call (WE4).
func TestCallsOfNormalWork(t *testing.T) {
	r := newRig(t)
	calls := r.record()
	sink, kill := r.open()
	defer kill()
	check(t, sink.Claim(t.Context(), []byte("{}")))
	for i, size := range []int{0, 10, partSize, partSize + 1, 3 * partSize} {
		check(t, writeFile(t, sink, fmt.Sprintf("v1-%d/a.ndjson", i), lines(size)))
	}
	want := map[string]int{"PUT": 1 + 3, "CREATE": 2, "PART": 2 + 3, "COMPLETE": 2}
	if !maps.Equal(calls, want) {
		t.Errorf("got %v, want %v", calls, want)
	}
}

// After a lost answer the checksum decides: nothing is read back.
func TestCallsAfterALostAnswer(t *testing.T) {
	for call, size := range map[string]int{"PUT": 10, "COMPLETE": 2 * partSize} {
		r := newRig(t)
		sink, kill := r.open()
		calls := map[string]int{}
		lose := objecttest.Once(objecttest.Lost, func(q *http.Request) bool { return objecttest.Call(q) == call })
		r.faults.Decide(func(q *http.Request) objecttest.Fault {
			calls[objecttest.Call(q)]++
			return lose(q)
		})
		check(t, writeFile(t, sink, fileName, lines(size)))
		kill()
		if calls[call] != 2 || calls["HEAD"] != 1 || calls["GET"] != 0 {
			t.Errorf("%s: got %v", call, calls)
		}
	}
}

// I3: ETags depend on the content alone, not on how it came.
func TestETagsAreDeterministic(t *testing.T) {
	whole := lines(5*partSize + 100)
	var etags []string
	for i, piece := range []int{1, 700, partSize, partSize + 1, len(whole)} {
		r := newHotRig(t, i%3)
		sink, kill := r.open()
		f := sink.Create(fileName)
		for rest := whole; len(rest) > 0; {
			n := min(len(rest), max(piece, 97))
			check(t, f.Append(t.Context(), rest[:n]))
			rest = rest[n:]
		}
		check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
		kill()
		etags = append(etags, r.memory.ETags()[prefix+"/"+fileName])
	}
	for _, etag := range etags {
		if etag != etags[0] || !strings.HasSuffix(etag, `-6"`) {
			t.Errorf("ETags differ: %v", etags)
		}
	}
}

// What others have begun is left alone: elsewhere, or before our claim.
func TestSweepLeavesOthersAlone(t *testing.T) {
	r := newRig(t)
	before := r.memory.Begin(prefix+"/v1-0/theirs.ndjson", time.Now().Add(-time.Hour))
	elsewhere := r.memory.Begin("exports/job2/v1-0/a.ndjson", time.Now().Add(time.Hour))
	sink, kill := r.open()
	defer kill()
	check(t, sink.Sweep(t.Context(), nil)) // unclaimed: nothing is ours
	check(t, sink.Claim(t.Context(), []byte("{}")))
	ours := r.memory.Begin(prefix+"/v1-0/stray.ndjson", time.Now().Add(time.Minute))
	// A job with the name other whose tenant is called job.
	below := r.memory.Begin(prefix+"/other/v1-0/a.ndjson", time.Now().Add(time.Minute))
	announced := r.memory.Begin(prefix+"/other/migration_output.json", time.Now().Add(time.Minute))
	check(t, sink.Sweep(t.Context(), nil))
	left := r.memory.Uploads()
	if len(left) != 4 || left[before] == "" || left[elsewhere] == "" || left[ours] != "" || left[below] == "" || left[announced] == "" {
		t.Errorf("left: %v", left)
	}
}

// Sinks of one bucket share the bound of transfers, and nothing else.
func TestBeside(t *testing.T) {
	r := newRig(t)
	one, kill := r.open()
	defer kill()
	other, err := one.Beside("exports/b/job", filepath.Join(t.TempDir(), "tails"))
	check(t, err)
	content := bytes.Repeat([]byte("x"), 3*partSize+1)
	for _, sink := range []*bucket.Sink{one, other} {
		check(t, sink.Claim(t.Context(), []byte("{}")))
		f := sink.Create("v1-0/a.ndjson")
		check(t, f.Append(t.Context(), content))
		check(t, f.Seal(t.Context(), sha256.Sum256(content)))
	}
	for _, key := range []string{prefix + "/v1-0/a.ndjson", "exports/b/job/v1-0/a.ndjson", "exports/b/job/_fhirhose/claim.json"} {
		if r.memory.Objects()[key] == nil {
			t.Errorf("no %s", key)
		}
	}
	if len(r.memory.Objects()) != 4 {
		t.Errorf("%d objects, want 4", len(r.memory.Objects()))
	}
}

// An upload that somebody has removed is fatal, and the remedy is named.
func TestVanishedUpload(t *testing.T) { everyHot(t, vanishedUpload) }

func vanishedUpload(t *testing.T, hot int) {
	r := newHotRig(t, hot)
	first, kill := r.open()
	whole := lines(3 * partSize)
	f := first.Create(fileName)
	check(t, f.Append(t.Context(), whole[:2*partSize]))
	state, err := f.Mark()(t.Context())
	check(t, err)
	kill()
	for id := range r.memory.Uploads() {
		r.memory.Forget(id)
	}
	second, kill := r.open()
	defer kill()
	f = second.Resume(fileName, 2*partSize, state)
	check(t, f.Append(t.Context(), whole[2*partSize:]))
	_, err = f.Mark()(t.Context())
	for what, err := range map[string]error{"Mark": err, "Seal": f.Seal(t.Context(), sha256.Sum256(whole))} {
		if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(pipeline.HintOf(err), "--restart") {
			t.Errorf("%s: %v (try: %s)", what, err, pipeline.HintOf(err))
		}
	}
}

// A Complete of a killed process may be executed after its successor has looked
// for the file.
func TestCompletedWhileResuming(t *testing.T) { everyHot(t, completedWhileResuming) }

func completedWhileResuming(t *testing.T, hot int) {
	r := newHotRig(t, hot)
	whole := lines(4 * partSize)
	first, kill := r.open()
	f := first.Create(fileName)
	check(t, f.Append(t.Context(), whole[:2*partSize]))
	state, err := f.Mark()(t.Context())
	check(t, err)
	kill()

	second, kill := r.open()
	defer kill()
	f = second.Resume(fileName, 2*partSize, state)
	check(t, f.Append(t.Context(), whole[2*partSize:2*partSize+1]))
	r.memory.Put(prefix+"/"+fileName, whole)
	for id := range r.memory.Uploads() {
		r.memory.Forget(id)
	}
	check(t, f.Append(t.Context(), whole[2*partSize+1:]))
	state, err = f.Mark()(t.Context())
	check(t, err)
	check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}

	third, kill := r.open()
	defer kill()
	f = third.Resume(fileName, int64(len(whole)), state)
	check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
}

// The disk holds no more of a file than checkpoints may need: the tail that
// grows, and those that the last two cuts point into.
func TestTailsAreBounded(t *testing.T) { everyHot(t, tailsAreBounded) }

func tailsAreBounded(t *testing.T, hot int) {
	r := newHotRig(t, hot)
	sink, kill := r.open()
	defer kill()
	f := sink.Create(fileName)
	for range 20 {
		check(t, f.Append(t.Context(), lines(3*partSize+100)))
		_, err := f.Mark()(t.Context())
		check(t, err)
		check(t, sink.Settle(t.Context()))
		if left := r.leftovers(); len(left) > 1+3 { // and the upload
			t.Fatalf("%d left: %q", len(left), left)
		}
	}
}

// A tail goes only when no checkpoint can point into it any more: that of the
// cut before the last is still there, whatever has been sent since.
func TestTailOutlivesItsCheckpoint(t *testing.T) { everyHot(t, tailOutlivesItsCheckpoint) }

func tailOutlivesItsCheckpoint(t *testing.T, hot int) {
	r := newHotRig(t, hot)
	whole := lines(6 * partSize)
	first, kill := r.open()
	check(t, first.Claim(t.Context(), []byte("{}")))
	f := first.Create(fileName)
	check(t, f.Append(t.Context(), whole[:partSize+10]))
	committed, err := f.Mark()(t.Context())
	check(t, err)
	check(t, first.Settle(t.Context()))
	// The next cut is made durable, and its commit is never reached.
	check(t, f.Append(t.Context(), whole[partSize+10:4*partSize]))
	_, err = f.Mark()(t.Context())
	check(t, err)
	check(t, first.Settle(t.Context()))
	check(t, first.Settle(t.Context()))
	kill()

	second, kill := r.open()
	defer kill()
	check(t, second.Claim(t.Context(), []byte("{}")))
	check(t, second.Sweep(t.Context(), map[string]json.RawMessage{fileName: committed}))
	f = second.Resume(fileName, partSize+10, committed)
	check(t, f.Append(t.Context(), whole[partSize+10:]))
	check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
	if !bytes.Equal(r.visible(fileName)[fileName], whole) {
		t.Error("other bytes")
	}
}

// A service without conditional writes is looked at first.
func TestUnconditional(t *testing.T) {
	r := newRig(t)
	r.options.Unconditional = true
	calls := r.record()
	sink, kill := r.open()
	defer kill()
	check(t, sink.Claim(t.Context(), []byte("{}")))
	for _, size := range []int{10, 2 * partSize} {
		whole, name := lines(size), fmt.Sprintf("v1-%d/a.ndjson", size)
		r.memory.Put(prefix+"/"+name, whole)
		check(t, writeFile(t, sink, name, whole))
		strange := append(bytes.Clone(whole), 'x')
		r.memory.Put(prefix+"/"+name, strange)
		if err := writeFile(t, sink, name, whole); pipeline.KindOf(err) != pipeline.KindFatal {
			t.Errorf("size %d: %v", size, err)
		}
		if !bytes.Equal(r.visible(name)[name], strange) {
			t.Errorf("size %d: replaced", size)
		}
		check(t, writeFile(t, sink, "new"+name, whole))
	}
	if calls["HEAD"] == 0 {
		t.Errorf("nobody looked: %v", calls)
	}
	if err := sink.Claim(t.Context(), []byte("other")); pipeline.KindOf(err) != pipeline.KindClaimed {
		t.Errorf("claim: %v", err)
	}
}

// No fault of the transfers changes what is written.
func TestWritesUnderFaults(t *testing.T) { everyHot(t, writesUnderFaults) }

func writesUnderFaults(t *testing.T, hot int) {
	calm := newHotRig(t, hot)
	writeAll(t, calm)
	want := calm.memory.ETags()
	for seed := range uint64(5) {
		r := newHotRig(t, hot)
		r.faults.Decide(objecttest.Seeded(seed, 0.25, objecttest.Transient()...))
		writeAll(t, r)
		if got := r.memory.ETags(); !maps.Equal(got, want) {
			t.Errorf("seed %d: got %v, want %v", seed, got, want)
		}
		if left := r.leftovers(); len(left) > 0 {
			t.Errorf("seed %d: left over %q", seed, left)
		}
	}
}

func writeAll(t *testing.T, r *rig) {
	t.Helper()
	sink, kill := r.open()
	defer kill()
	check(t, sink.Claim(t.Context(), []byte("{}")))
	for i := range 12 {
		check(t, writeFile(t, sink, fmt.Sprintf("v1-%d/a.ndjson", i), lines(i*partSize/2)))
	}
	check(t, sink.Settle(t.Context()))
}

// TestClaimThatVanishes: a name that is taken and not there is asked for again.
func TestClaimThatVanishes(t *testing.T) {
	r := newRig(t)
	sink, kill := r.open()
	defer kill()
	const key = prefix + "/_fhirhose/claim.json"
	r.memory.Put(key, []byte("of another run"))
	r.faults.Decide(func(call *http.Request) objecttest.Fault {
		if call.Method == http.MethodGet {
			r.memory.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/b/"+key, nil))
		}
		return objecttest.NoFault
	})
	check(t, sink.Claim(t.Context(), []byte("ours")))
	if got := string(r.memory.Objects()[key]); got != "ours" {
		t.Errorf("the claim is %q", got)
	}
}
