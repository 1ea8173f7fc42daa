package contentstest

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
)

func testReads(s *suite) {
	for name, n := range map[string]int{"empty": 0, "one": 1, "range": RangeBytes, "large": 20*RangeBytes + 7} {
		s.put(name+"_1.x", bytesOf(name, n))
	}
	contents := s.open()
	var group errgroup.Group // several at the same time
	for key, want := range s.objects {
		c := s.only(contents, key)
		for _, offset := range []int64{0, 1, RangeBytes, c.Size - 1, c.Size} {
			if offset < 0 || offset > c.Size {
				continue
			}
			group.Go(func() error {
				got, err := read(s.Context(), contents, c, offset)
				if err != nil {
					return err
				}
				if !bytes.Equal(got, want[offset:]) {
					return errors.New("other bytes of " + key)
				}
				return nil
			})
		}
	}
	s.check(group.Wait())
	for _, offset := range []int64{-1, 2} {
		if _, err := contents.Open(s.Context(), s.only(contents, "one_1."), offset); err == nil {
			s.Errorf("offset %d of one byte was accepted", offset)
		}
	}
	r, err := contents.Open(s.Context(), s.only(contents, "large_1."), 0)
	s.check(err)
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		s.Error(err)
	}
	s.check(r.Close()) // a reader may go away early
}

// What is replaced, shortened or lengthened after the listing is said to be
// changed; a bucket that keeps versions still has it.
func testChanged(s *suite) {
	old := bytesOf("old", 3*RangeBytes)
	same := bytes.Clone(old)
	same[7] ^= 1
	for what, now := range map[string][]byte{"same-length": same, "shorter": old[:RangeBytes], "longer": append(bytes.Clone(old), 'x'), "empty": nil} {
		s.put(canary+what+"_1.x", old)
		s.objects[canary+what+"_1.x"] = now
	}
	s.put(canary+"filled_1.x", nil)
	contents := s.open()
	s.objects[canary+"filled_1.x"] = old
	for key, now := range s.objects {
		c := s.only(contents, key)
		want := old[:c.Size]
		s.fixture.Put(key, now)
		for _, offset := range []int64{0, c.Size / 2, c.Size} {
			got, err := read(s.Context(), contents, c, offset)
			s.listedOrSaid(got, want[offset:], err, pipeline.ErrContentChanged)
		}
		err := contents.Stage(s.Context(), c, s.path("copy"))
		s.stagedOrSaid(want, err, pipeline.ErrContentChanged)
	}
}

func (s *suite) listedOrSaid(got, want []byte, err, say error) {
	s.Helper()
	if s.fixture.Versions() {
		if err != nil || !bytes.Equal(got, want) {
			s.Errorf("the listed version was not read: %v", err)
		}
		return
	}
	s.mustSay(err, say)
}

func testChangedWhileReading(s *suite) {
	key, old := canary+"_1.x", bytesOf("old", 4<<20)
	s.put(key, old)
	contents := s.open()
	r, err := contents.Open(s.Context(), s.only(contents, key), 0)
	s.check(err)
	start := make([]byte, 10)
	_, err = io.ReadFull(r, start)
	s.check(err)
	s.fixture.Put(key, bytesOf("new", 4<<20))
	rest, err := io.ReadAll(r)
	err = errors.Join(err, r.Close())
	if err == nil && !bytes.Equal(append(start, rest...), old) {
		s.Error("bytes that were not listed were read without an error")
	} else if err != nil {
		s.mustSay(err, pipeline.ErrContentChanged)
	}
}

func testGone(s *suite) {
	for key, n := range map[string]int{canary + "a_1.x": 3 * RangeBytes, canary + "b_1.x": 0, "folder" + canary + "/c_1.x": 5} {
		s.put(key, bytesOf("x", n))
	}
	contents := s.open()
	for key, want := range s.objects {
		c := s.only(contents, key)
		s.fixture.Remove(key)
		for _, offset := range []int64{0, c.Size} {
			_, err := read(s.Context(), contents, c, offset)
			s.mustSay(err, pipeline.ErrContentGone)
		}
		err := contents.Stage(s.Context(), c, s.path("copy"))
		s.mustSay(err, pipeline.ErrContentGone)
		if left := s.left(); len(left) > 0 {
			s.Errorf("what is gone has left %v", left)
		}
		s.fixture.Put(key, append(bytes.Clone(want), 'x')) // and another came
		if _, err := read(s.Context(), contents, c, 0); !errors.Is(err, pipeline.ErrContentChanged) && !errors.Is(err, pipeline.ErrContentGone) {
			s.Errorf("another object in its place: %v", err)
		}
	}
}
