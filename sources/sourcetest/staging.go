package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// I9, and the promise that what an earlier process verified is neither fetched
// nor hashed again.
func testStagesOnce(s *suite) {
	var staged atomic.Int64
	i := s.number("large.json.gz")
	count := func(n int64) { staged.Add(n) }
	want := s.object("large.json.gz").Compressed
	if _, err := read(s.Context(), s.open(count), i); err != nil {
		s.Fatal(err)
	}
	if staged.Load() < int64(len(want)) {
		s.Errorf("%d bytes staged, the object has %d", staged.Load(), len(want))
	}
	staged.Store(0)
	got, err := read(s.Context(), s.open(count), i)
	if err != nil || !bytes.Equal(got, want) {
		s.Fatalf("after a restart: %v", err)
	}
	if staged.Load() != 0 {
		s.Errorf("%d bytes were staged again", staged.Load())
	}
}

// The defect is named; after the repair the same job goes on.
func testWrongBytes(s *suite) {
	const name = "b.json.gz"
	good := s.object(name).Compressed
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for what, bad := range map[string][]byte{"flipped": flipped, "truncated": good[:len(good)-1], "longer": append(bytes.Clone(good), 0), "empty": nil} {
		s.fixture.Replace(name, bad)
		for range 2 { // a second try must not believe the first's leftovers
			_, err := s.open(nil).Stage(s.Context(), s.number(name))
			if err == nil {
				s.Fatalf("%s bytes were accepted", what)
			}
			s.mustSay(err, name)
		}
		s.fixture.Replace(name, good)
		source := s.open(nil)
		staged, err := source.Stage(s.Context(), s.number(name))
		if err != nil {
			s.Fatalf("after the repair of %s: %v", what, err)
		}
		if got, err := readStaged(staged); err != nil || !bytes.Equal(got, good) {
			s.Errorf("after the repair of %s: %v", what, err)
		}
		if err := source.Discard(s.number(name)); err != nil { // or the next defect would not even be looked at
			s.Fatal(err)
		}
	}
}

func testChanged(s *suite) {
	s.changeBetween("large.json.gz", []byte("other bytes"))
}

func testReplacedSameLength(s *suite) {
	other := bytes.Clone(s.object("large.json.gz").Compressed)
	other[7] ^= 1
	s.changeBetween("large.json.gz", other)
}

// changeBetween changes an object after it was staged, and again in the middle of
// reading. Either the verified bytes are read all the same, or the error says so.
func (s *suite) changeBetween(name string, other []byte) {
	want := s.object(name).Compressed
	source := s.open(nil)
	staged, err := source.Stage(s.Context(), s.number(name))
	if err != nil {
		s.Fatal(err)
	}
	r, err := staged.Open()
	if err != nil {
		s.Fatal(err)
	}
	start := make([]byte, 10)
	if _, err := io.ReadFull(r, start); err != nil {
		s.Fatal(err)
	}
	s.fixture.Replace(name, other)
	rest, err := io.ReadAll(r)
	s.sameOrSaid(append(start, rest...), errors.Join(err, r.Close()), name, want)
	got, err := readStaged(staged)
	s.sameOrSaid(got, err, name, want)

	s.fixture.Replace(name, want)
	got, err = read(s.Context(), s.open(nil), s.number(name))
	if err != nil || !bytes.Equal(got, want) {
		s.Errorf("after the repair: %v", err)
	}
}

func (s *suite) sameOrSaid(got []byte, err error, name string, want []byte) {
	s.Helper()
	if err != nil {
		s.mustSay(err, name)
	} else if !bytes.Equal(got, want) {
		s.Errorf("I9: bytes that were never verified were read without an error")
	}
}

func testDiscard(s *suite) {
	i := s.number("b.json.gz")
	source := s.open(nil)
	if _, err := source.Stage(s.Context(), i); err != nil {
		s.Fatal(err)
	}
	for range 2 {
		if err := source.Discard(i); err != nil {
			s.Fatal(err)
		}
	}
	got, err := read(s.Context(), s.open(nil), i) // the input itself is still there
	if err != nil || !bytes.Equal(got, s.object("b.json.gz").Compressed) {
		s.Errorf("after discard: %v", err)
	}
}

func testCancelled(s *suite) {
	source := s.open(nil)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := source.Stage(ctx, s.number("large.json.gz")); !errors.Is(err, context.Canceled) {
		s.Errorf("staged with a cancelled context: %v", err)
	}
	if _, err := s.fixture.Open(ctx, nil); !errors.Is(err, context.Canceled) {
		s.Errorf("opened with a cancelled context: %v", err)
	}
}

// Each named step of staging fails in turn; the next process stages all the same.
func testEachStepFails(s *suite) {
	broken := errors.New("input/output error")
	name := "b.json.gz"
	points := 0
	for n := int64(1); ; n++ {
		var passed atomic.Int64
		remove := faultpoint.Set(func(string) error {
			if passed.Add(1) == n {
				return broken
			}
			return nil
		})
		source := s.open(nil)
		_, err := source.Stage(s.Context(), s.number(name))
		remove()
		if passed.Load() < n {
			if err != nil {
				s.Errorf("no step failed, but staging did: %v", err)
			}
			break
		}
		points++
		if !errors.Is(err, broken) || pipeline.KindOf(err) == pipeline.KindFatal {
			s.Errorf("step %d failed, staging said %v", n, err)
		}
		if err == nil {
			_ = source.Discard(s.number(name))
			continue
		}
		again, err := s.open(nil).Stage(s.Context(), s.number(name))
		if err != nil {
			s.Fatalf("after step %d failed: %v", n, err)
		}
		got, err := readStaged(again)
		if err != nil || !bytes.Equal(got, s.object(name).Compressed) {
			s.Errorf("after step %d failed: other bytes, %v", n, err)
		}
		if err := source.Discard(s.number(name)); err != nil {
			s.Fatal(err)
		}
	}
	if points < 2 {
		s.Errorf("only %d steps stand behind a fault point, want at least stage and staged", points)
	}
}

// Nothing tells that other bytes are wrong. But what an earlier process has staged
// is not taken for them, and their number is theirs; where they are longer, the
// job's fingerprint tells, too.
func testReplaced(s *suite) {
	const name = "b.json.gz"
	good := s.object(name).Compressed
	flipped := bytes.Replace(good, []byte{'\n'}, []byte(" "), 1)
	before := s.stageKey(name, good)
	for what, other := range map[string][]byte{"of the same length": flipped, "longer": append(bytes.Clone(good), 0, '\n'), "empty": nil} {
		s.fixture.Replace(name, other)
		if after := s.stageKey(name, other); len(other) != len(good) && after == before {
			s.Errorf("%s: the fingerprint is that of other bytes", what)
		}
		s.fixture.Replace(name, good)
		s.stageKey(name, good)
	}
}

// stageKey stages an object, which must be want, in a new process, and returns what
// stands for its MD5.
func (s *suite) stageKey(name string, want []byte) [16]byte {
	s.Helper()
	source := s.open(nil)
	i := slices.IndexFunc(source.Objects(), func(o pipeline.Object) bool { return o.Key == s.fixture.Key(name) })
	staged, err := source.Stage(s.Context(), i)
	if err != nil {
		s.Fatal(err)
	}
	got, err := readStaged(staged)
	if err != nil || !bytes.Equal(got, want) || staged.Records() != int64(bytes.Count(want, []byte{'\n'})) {
		s.Errorf("%d bytes, %d records, want %d bytes: %v", len(got), staged.Records(), len(want), err)
	}
	return source.Objects()[i].MD5
}
