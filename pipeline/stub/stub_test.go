package stub_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/stub"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite golden files")

// samples are stubs of every form.
func samples() []stub.Stub {
	written := stub.Stub{
		Object: 3, Record: 1 << 33, Tenant: []byte("clinic_a"), ID: []byte("6c5d9ca9-54d7"), Version: 7,
		LastUpdated: 1690921027123, Status: pipeline.Available,
		Raw: []byte(`{"Item":{"resourceType":{"S":"Binary"},"id":{"S":"clinic_a|6c5d9ca9-54d7"}}}`),
	}
	alone := written
	alone.Tenant = nil
	return []stub.Stub{
		written, alone,
		{Record: 1, ID: []byte("x"), Version: 1, LastUpdated: math.MinInt64, Status: pipeline.Pending, Reason: pipeline.IsPending},
		{Object: math.MaxUint32, Record: math.MaxInt64, Tenant: bytes.Repeat([]byte("t"), 64), ID: bytes.Repeat([]byte("i"), 64), Version: math.MaxUint32, LastUpdated: -1, Status: pipeline.Deleted, Reason: pipeline.BadTenant},
	}
}

func file(all []stub.Stub) (frames []byte, ends []int64) {
	for i := range all {
		frames = stub.Append(frames, &all[i])
		ends = append(ends, int64(len(frames)))
	}
	return frames, ends
}

// equal compares what a frame of a says with b.
func equal(a, b stub.Stub) bool {
	if a.Reason != pipeline.NoReason {
		a = stub.Stub{Object: a.Object, Record: a.Record, Tenant: a.Tenant, ID: a.ID, Version: a.Version, LastUpdated: a.LastUpdated, Status: a.Status, Reason: a.Reason}
	}
	for _, s := range []*stub.Stub{&a, &b} {
		for _, text := range []*[]byte{&s.Tenant, &s.ID, &s.Raw} {
			*text = append([]byte{}, *text...)
		}
	}
	return reflect.DeepEqual(a, b)
}

// readAll reads until it fails, and returns how many stubs came before.
func readAll(t interface{ Fatalf(string, ...any) }, in io.Reader, offset, end int64, want []stub.Stub) (n int, err error) {
	r := stub.NewReader(in, "binaries/00000", offset, end)
	for {
		var s stub.Stub
		if err = r.Next(&s); err != nil {
			if again := r.Next(&s); !errors.Is(again, err) {
				t.Fatalf("%v, then %v", err, again)
			}
			return n, err
		}
		if n == len(want) || !equal(want[n], s) {
			t.Fatalf("stub %d is another: %+v", n, s)
		}
		n++
	}
}

func TestGolden(t *testing.T) {
	frames, _ := file(samples())
	const path = "testdata/stubs-v2.golden"
	if *update {
		if err := os.WriteFile(path, frames, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(frames, want) {
		t.Fatal("other bytes: a change needs a new format version", err)
	}
	if n, err := readAll(t, bytes.NewReader(want), 0, int64(len(want)), samples()); n != len(samples()) || !errors.Is(err, io.EOF) {
		t.Fatal(n, err)
	}
}

// anyStub draws stubs of few and of many bytes.
var anyStub = rapid.Custom(func(t *rapid.T) stub.Stub {
	bytesOf := func(name string, least, most int) []byte {
		return rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, name)
	}
	text := func(name string) []byte {
		s := bytesOf(name, 0, 40)
		if rapid.IntRange(0, 30).Draw(t, "long") == 0 {
			s = bytes.Repeat(append(s, 'x'), 5_000)
		}
		return s
	}
	var identified []pipeline.Reason
	for _, r := range pipeline.Reasons() {
		if r.Identified() {
			identified = append(identified, r)
		}
	}
	s := stub.Stub{
		Object: int(rapid.Uint32().Draw(t, "object")), Record: rapid.Int64().Draw(t, "record"),
		Tenant: bytesOf("tenant", 0, 64), ID: bytesOf("id", 1, 64),
		Version: rapid.Uint32().Draw(t, "version"), LastUpdated: rapid.Int64().Draw(t, "updated"),
		Status: pipeline.DocumentStatus(rapid.IntRange(int(pipeline.Available), int(pipeline.Deleted)).Draw(t, "status")),
		Raw:    text("raw"),
	}
	if rapid.IntRange(0, 2).Draw(t, "named only") == 0 {
		s.Reason = rapid.SampledFrom(identified).Draw(t, "reason")
	}
	return s
})

// TestRoundTrip reads any stubs from any frame on, and knows each position.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(anyStub, 0, 8).Draw(t, "stubs")
		frames, ends := file(all)
		r := stub.NewReader(bytes.NewReader(append(frames[:len(frames):len(frames)], "behind"...)), "", 0, int64(len(frames)))
		var s stub.Stub
		for i := range all {
			if err := r.Next(&s); err != nil || !equal(all[i], s) || r.Offset() != ends[i] {
				t.Fatalf("stub %d: %v, at %d instead of %d\n%+v\n%+v", i, err, r.Offset(), ends[i], all[i], s)
			}
		}
		if err := r.Next(&s); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		for i, start := range ends {
			n, err := readAll(t, iotest.HalfReader(bytes.NewReader(frames[start:])), start, int64(len(frames)), all[i+1:])
			if n != len(all)-i-1 || !errors.Is(err, io.EOF) {
				t.Fatal(n, err)
			}
		}
	})
}

// refused: damage is told as such, with the frame's position and nothing of it.
func refused(t *testing.T, err error) {
	t.Helper()
	if pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
		t.Fatalf("%v (kind %v)", err, pipeline.KindOf(err))
	}
	for _, phi := range []string{"clinic", "6c5d9ca9", "Binary"} {
		if strings.Contains(err.Error()+pipeline.HintOf(err), phi) {
			t.Fatalf("the error repeats content: %v", err)
		}
	}
}

// TestTruncation: a file that is shorter than the checkpoint says is refused
// wherever it ends, and so is a position within a frame.
func TestTruncation(t *testing.T) {
	all := samples()
	frames, ends := file(all)
	for cut := range int64(len(frames)) {
		whole := 0
		for whole < len(ends) && ends[whole] <= cut {
			whole++
		}
		n, err := readAll(t, bytes.NewReader(frames[:cut]), 0, int64(len(frames)), all)
		if refused(t, err); n != whole {
			t.Fatalf("cut at %d: %d stubs, want %d", cut, n, whole)
		}
		n, err = readAll(t, bytes.NewReader(frames), 0, cut, all)
		if boundary := cut == 0 || whole > 0 && ends[whole-1] == cut; boundary && errors.Is(err, io.EOF) && n == whole {
			continue
		}
		if refused(t, err); n != whole {
			t.Fatalf("end at %d: %d stubs, want %d", cut, n, whole)
		}
	}
}

// TestBitFlips: each bit of a file, flipped, is found in its frame.
func TestBitFlips(t *testing.T) {
	all := samples()
	frames, ends := file(all)
	frame := 0
	for at := range frames {
		if int64(at) == ends[frame] {
			frame++
		}
		for bit := range 8 {
			frames[at] ^= 1 << bit
			n, err := readAll(t, bytes.NewReader(frames), 0, int64(len(frames)), all)
			if refused(t, err); n != frame {
				t.Fatalf("byte %d bit %d: %d stubs, want %d", at, bit, n, frame)
			}
			frames[at] ^= 1 << bit
		}
	}
}

// TestReadError: what fails in reading is no damage.
func TestReadError(t *testing.T) {
	frames, _ := file(samples())
	broken := io.MultiReader(bytes.NewReader(frames[:20]), iotest.ErrReader(errors.New("input/output error")))
	_, err := readAll(t, broken, 0, int64(len(frames)), nil)
	if pipeline.KindOf(err) != pipeline.KindRetryLater {
		t.Fatal(err)
	}
}

// TestMemory: a frame may claim no more than MaxBytes, nor more than the file
// has; a large buffer does not outlive the next stub by much.
func TestMemory(t *testing.T) {
	for _, length := range []uint32{stub.MaxBytes + 1, math.MaxUint32, stub.MaxBytes} {
		head := []byte{byte(length), byte(length >> 8), byte(length >> 16), byte(length >> 24), 0, 0, 0, 0}
		end := int64(1 << 40)
		if length == stub.MaxBytes {
			end = 100
		}
		_, err := readAll(t, bytes.NewReader(head), 0, end, nil)
		defect := "the length is wrong"
		if length == stub.MaxBytes {
			defect = "the file ends"
		}
		if refused(t, err); !strings.Contains(err.Error(), defect) {
			t.Errorf("length %d: %v", length, err)
		}
	}
	small, large := samples()[0], samples()[0]
	large.Raw = make([]byte, pipeline.MaxRecordBytes)
	frames, _ := file([]stub.Stub{small, large, small})
	if n, err := readAll(t, bytes.NewReader(frames), 0, int64(len(frames)), []stub.Stub{small, large, small}); n != 3 || !errors.Is(err, io.EOF) {
		t.Fatal(n, err)
	}
	large.Raw = make([]byte, stub.MaxBytes)
	defer func() {
		if recover() == nil {
			t.Error("a frame over MaxBytes")
		}
	}()
	stub.Append(nil, &large)
}

func TestAppendPanics(t *testing.T) {
	for name, change := range map[string]func(*stub.Stub){
		"no id":           func(s *stub.Stub) { s.ID = nil },
		"long id":         func(s *stub.Stub) { s.ID = make([]byte, 65) },
		"long tenant":     func(s *stub.Stub) { s.Tenant = make([]byte, 65) },
		"no status":       func(s *stub.Stub) { s.Status = pipeline.StatusUnknown },
		"no identity":     func(s *stub.Stub) { s.Reason = pipeline.NoVersion },
		"unknown reason":  func(s *stub.Stub) { s.Reason = 200 },
		"negative object": func(s *stub.Stub) { s.Object = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			s := samples()[0]
			change(&s)
			stub.Append(nil, &s)
		})
	}
}

// endless repeats a file for ever.
type endless struct {
	frames []byte
	at     int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.frames[e.at:])
	e.at = (e.at + n) % len(e.frames)
	return n, nil
}

func TestNoAllocations(t *testing.T) {
	all := samples()
	frames, _ := file(all)
	r := stub.NewReader(&endless{frames: frames}, "", 0, math.MaxInt64)
	var s stub.Stub
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(1000, func() {
		if err := r.Next(&s); err != nil {
			t.Fatal(err)
		}
		dst = stub.Append(dst[:0], &s)
	}); n > 0 {
		t.Errorf("%v allocations per stub", n)
	}
}
