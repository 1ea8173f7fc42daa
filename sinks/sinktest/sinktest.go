package sinktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Place is one job's folder in a sink under test, empty at first.
type Place struct {
	// Open opens the place as a new process would. kill ends what the sink
	// does in the background, as SIGKILL would, and returns when nothing of it
	// moves any more.
	Open func() (sink pipeline.Sink, kill func())
	// Visible returns the files that anybody can see, by name, as far as their
	// names begin with prefix.
	Visible func(prefix string) map[string][]byte
	// Leftovers names temporaries, local tails and unfinished uploads.
	Leftovers func() []string
	// Put makes a file appear that another wrote.
	Put func(name string, content []byte)
	// Chunk is a size around which the sink's behaviour changes: its part.
	Chunk int
	// Kills bounds how many passages of one fault point are tried: the first,
	// the last, and some between. 0 is 5.
	Kills int
}

// Run holds a sink to its contract. fresh returns a new, empty place for each
// test.
func Run(t *testing.T, fresh func(t *testing.T) Place) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Place)
	}{
		{"claim", testClaim},
		{"claim race", testClaimRace},
		{"write and read", testWriteAndRead},
		{"invisible before seal", testInvisible},
		{"never replace", testNeverReplace},
		{"resume from mark", testResume},
		{"cut off what is beyond the mark", testCutOff},
		{"resume twice", testResumeTwice},
		{"durable before marked", testDurable},
		{"resume after seal", testResumeAfterSeal},
		{"resume without bytes", testResumeWithoutBytes},
		{"mark beside later calls", testMarkBeside},
		{"create again after a kill", testCreateAgain},
		{"sweep", testSweep},
		{"list", testList},
		{"list many", testListMany},
		{"remove", testRemove},
		{"free", testFree},
		{"many files", testManyFiles},
		{"lives", testLives},
		{"killed at every fault point", testFaults},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
}

const fileName = "v1-0/Patient-v1-00000.ndjson"

// content returns n letters that differ by seed.
func content(seed uint64, n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(p)
	for i, b := range p {
		p[i] = 'a' + b%16
	}
	return p
}

func open(t *testing.T, p Place) pipeline.Sink {
	t.Helper()
	sink, kill := p.Open()
	t.Cleanup(kill)
	return sink
}

// begin opens the place for a first process, which claims it.
func begin(t *testing.T, p Place) (pipeline.Sink, func()) {
	t.Helper()
	sink, kill := p.Open()
	check(t, sink.Claim(t.Context(), []byte("{}")))
	return sink, kill
}

// add appends p in uneven pieces.
func add(t *testing.T, f pipeline.File, p []byte) {
	t.Helper()
	for i := 1; len(p) > 0; i++ {
		n := min(len(p), 1+i*len(p)/3)
		check(t, f.Append(t.Context(), bytes.Clone(p[:n])))
		p = p[n:]
	}
}

func mark(t *testing.T, f pipeline.File) json.RawMessage {
	t.Helper()
	state, err := f.Mark()(t.Context())
	check(t, err)
	return state
}

func seal(t *testing.T, s pipeline.Sink, f pipeline.File, whole []byte) {
	t.Helper()
	check(t, f.Seal(t.Context(), sha256.Sum256(whole)))
	check(t, s.Settle(t.Context()))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (try: %s)", err, pipeline.HintOf(err))
	}
}

func wantKind(t *testing.T, err error, want pipeline.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want kind %d", want)
	}
	if got := pipeline.KindOf(err); got != want {
		t.Fatalf("kind %d, want %d: %v", got, want, err)
	}
	if pipeline.HintOf(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

// wantOnly compares what can be seen with the files that there should be, and
// refuses leftovers.
func wantOnly(t *testing.T, p Place, want map[string][]byte) {
	t.Helper()
	wantVisible(t, p, want)
	wantNoLeftovers(t, p)
}

func wantNoLeftovers(t *testing.T, p Place) {
	t.Helper()
	if left := p.Leftovers(); len(left) > 0 {
		t.Errorf("%d left over, such as %q", len(left), left[:min(3, len(left))])
	}
}

func wantVisible(t *testing.T, p Place, want map[string][]byte) {
	t.Helper()
	got := p.Visible("")
	for name, content := range want {
		if !bytes.Equal(got[name], content) {
			t.Errorf("%s: %s, want %s", name, describe(got, name), describe(want, name))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && name != claimName {
			t.Errorf("%s should not be there", name)
		}
	}
}

func describe(files map[string][]byte, name string) string {
	p, ok := files[name]
	if !ok {
		return "absent"
	}
	return fmt.Sprintf("%d bytes, sum %x", len(p), sha256.Sum256(p))[:40]
}

// background is a context for what must go on after a test's own has ended.
func background() context.Context { return context.Background() }
