package sinktest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

// sizes are those at which a sink with parts may go wrong.
func sizes(p Place) []int {
	return []int{0, 1, p.Chunk - 1, p.Chunk, p.Chunk + 1, 2 * p.Chunk, 3*p.Chunk + 7}
}

func testWriteAndRead(t *testing.T, p Place) {
	sink := open(t, p)
	want := map[string][]byte{}
	for i, size := range sizes(p) {
		name := fmt.Sprintf("v1-%d/Patient-v1-00000.ndjson", i)
		want[name] = content(uint64(i), size)
		f := sink.Create(name)
		add(t, f, want[name])
		seal(t, sink, f, want[name])
	}
	wantOnly(t, p, want)
	for name, whole := range want {
		readBack(t, sink, name, whole)
	}
	if _, err := sink.Reader(t.Context(), "v9-9/absent.ndjson"); err == nil {
		t.Error("an absent file was opened")
	}
}

func readBack(t *testing.T, sink pipeline.Sink, name string, whole []byte) {
	t.Helper()
	r, err := sink.Reader(t.Context(), name)
	check(t, err)
	defer func() { check(t, r.Close()) }()
	if r.Size() != int64(len(whole)) {
		t.Fatalf("%s: size %d, want %d", name, r.Size(), len(whole))
	}
	got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	check(t, err)
	if !bytes.Equal(got, whole) {
		t.Errorf("%s: read other bytes than were written", name)
	}
	if len(whole) < 3 {
		return
	}
	tail := make([]byte, 10)
	n, err := r.ReadAt(tail, int64(len(whole))-3)
	if n != 3 || !errors.Is(err, io.EOF) || !bytes.Equal(tail[:n], whole[len(whole)-3:]) {
		t.Errorf("%s: read across the end: %d bytes, %v", name, n, err)
	}
}

// I8: a name appears only when the file is whole.
func testInvisible(t *testing.T, p Place) {
	sink := open(t, p)
	whole := content(1, 2*p.Chunk+5)
	f := sink.Create(fileName)
	for _, piece := range [][]byte{whole[:10], whole[10 : p.Chunk+10], whole[p.Chunk+10:]} {
		check(t, f.Append(t.Context(), piece))
		mark(t, f)
		check(t, sink.Settle(t.Context()))
		wantVisible(t, p, nil)
	}
	seal(t, sink, f, whole)
	wantOnly(t, p, map[string][]byte{fileName: whole})
}

// I2: a name that is taken is never written, whatever is under it.
func testNeverReplace(t *testing.T, p Place) {
	sink := open(t, p)
	want := map[string][]byte{}
	for i, size := range []int{0, 10, p.Chunk + 10} {
		name := fmt.Sprintf("v%d-0/there.ndjson", i)
		want[name] = content(uint64(i), size)
		p.Put(name, want[name])
		f := sink.Create(name)
		add(t, f, want[name])
		seal(t, sink, f, want[name])
	}
	wantOnly(t, p, want)

	for i, size := range []int{0, 10, p.Chunk + 10} {
		whole := content(uint64(i), size)
		for what, strange := range map[string][]byte{
			"longer":  append(bytes.Clone(whole), 'x'),
			"other":   content(99, size),
			"shorter": whole[:size/2],
		} {
			name := fmt.Sprintf("v%d-0/%s.ndjson", i, what)
			p.Put(name, strange)
			want[name] = bytes.Clone(strange)
			f := sink.Create(name)
			add(t, f, whole)
			err := f.Seal(t.Context(), sha256.Sum256(whole))
			if !bytes.Equal(strange, whole) {
				wantKind(t, err, pipeline.KindFatal)
			}
		}
	}
	wantVisible(t, p, want)

	// The name may also be taken between the last Append and Seal.
	whole := content(1, p.Chunk+10)
	for what, strange := range map[string][]byte{"late same": whole, "late other": whole[1:]} {
		f := sink.Create(what)
		add(t, f, whole)
		p.Put(what, strange)
		want[what] = bytes.Clone(strange)
		err := f.Seal(t.Context(), sha256.Sum256(whole))
		if what == "late same" {
			check(t, err)
		} else {
			wantKind(t, err, pipeline.KindFatal)
		}
	}
	wantVisible(t, p, want)
}

// testCreateAgain writes other, shorter bytes where a process died before its
// first checkpoint.
func testCreateAgain(t *testing.T, p Place) {
	first, kill := begin(t, p)
	f := first.Create(fileName)
	add(t, f, content(1, 2*p.Chunk+5))
	mark(t, f)
	kill()

	whole := content(2, p.Chunk/2)
	sink := open(t, p)
	check(t, sink.Sweep(t.Context(), nil))
	f = sink.Create(fileName)
	add(t, f, whole)
	seal(t, sink, f, whole)
	wantOnly(t, p, map[string][]byte{fileName: whole})
}

func testFree(t *testing.T, p Place) {
	if free := open(t, p).Free(); free == 0 || free < -1 {
		t.Errorf("free: %d", free)
	}
}
