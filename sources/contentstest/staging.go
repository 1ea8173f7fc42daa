package contentstest

import (
	"bytes"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

func testStages(s *suite) {
	for name, n := range map[string]int{"empty": 0, "one": 1, "range": RangeBytes, "more": RangeBytes + 1, "large": 50*RangeBytes + 7} {
		s.put(name+"_1.x", bytesOf(name, n))
	}
	contents := s.open()
	var group errgroup.Group // several at the same time
	for key := range s.objects {
		c := s.only(contents, key)
		group.Go(func() error { return contents.Stage(s.Context(), c, s.path(key)) })
	}
	s.check(group.Wait())
	for key, want := range s.objects {
		s.holds(key, want)
		info, err := os.Stat(s.path(key))
		s.check(err)
		if info.Mode() != 0o600 {
			s.Errorf("a copy has mode %v", info.Mode())
		}
	}
	if left := s.left(); len(left) != len(s.objects) {
		s.Errorf("left: %v", left)
	}
}

// holds fails unless the copy has these bytes.
func (s *suite) holds(name string, want []byte) {
	s.Helper()
	got, err := os.ReadFile(s.path(name))
	if err != nil || !bytes.Equal(got, want) {
		s.Errorf("the copy %s has %d bytes, want %d, or others: %v", name, len(got), len(want), err)
	}
}

func (s *suite) stagedOrSaid(want []byte, err, say error) {
	s.Helper()
	if s.fixture.Versions() {
		s.check(err)
		s.holds("copy", want)
	} else {
		s.mustSay(err, say)
		if left := s.left(); len(left) > 0 {
			s.Errorf("what has changed has left %v", left)
		}
	}
	s.check(os.RemoveAll(s.path("copy")))
}

// ranges counts the ranges that a function reads, each of which must stand behind
// the fault point "range", and lets one fail.
func ranges(failing int64, broken error, f func()) int64 {
	var n atomic.Int64
	defer faultpoint.Set(func(point string) error {
		if point == "range" && n.Add(1) == failing {
			return broken
		}
		return nil
	})()
	f()
	return n.Load()
}

// A whole copy is not made again; one that is of another size or time is.
func testStagesProvable(s *suite) {
	want := bytesOf("x", 5*RangeBytes)
	s.put("a_1.x", want)
	contents := s.open()
	c := s.only(contents, "a_1.")
	stage := func() int64 {
		return ranges(0, nil, func() { s.check(contents.Stage(s.Context(), c, s.path("copy"))) })
	}
	if n := stage(); n != 5 {
		s.Errorf("%d ranges, want 5", n)
	}
	if n := stage(); n != 0 {
		s.Errorf("a whole copy was made again, by %d ranges", n)
	}
	for what, spoil := range map[string]func() error{
		"cut off": func() error { return os.Truncate(s.path("copy"), 100) },
		"another": func() error { return os.WriteFile(s.path("copy"), bytesOf("y", 5*RangeBytes), 0o600) },
		"touched": func() error { return os.Chtimes(s.path("copy"), time.Time{}, time.Unix(1, 0)) },
	} {
		s.check(spoil())
		if stage() != 5 {
			s.Errorf("%s: was not copied again", what)
		}
		s.holds("copy", want)
	}
}

// Each named step of staging fails in turn; the next process stages all the same.
func testEachStepFails(s *suite) {
	key, want := canary+"_1.x", bytesOf("x", 10*RangeBytes)
	s.put(key, want)
	contents := s.open()
	c := s.only(contents, key)
	broken := errors.New("input/output error")
	for n := int64(1); ; n++ {
		var passed atomic.Int64
		remove := faultpoint.Set(func(string) error {
			if passed.Add(1) == n {
				return broken
			}
			return nil
		})
		err := contents.Stage(s.Context(), c, s.path("copy"))
		remove()
		if passed.Load() < n {
			s.check(err)
			if n < 20 {
				s.Errorf("only %d steps stand behind a fault point", n-1)
			}
			return
		}
		s.mustSay(err, broken)
		if pipeline.KindOf(err) == pipeline.KindFatal {
			s.Errorf("step %d: fatal: %v", n, err)
		}
		s.check(s.open().Stage(s.Context(), c, s.path("copy")))
		s.holds("copy", want)
		if left := s.left(); len(left) != 1 {
			s.Fatalf("after step %d failed: left %v", n, left)
		}
		s.check(os.Remove(s.path("copy")))
	}
}

// What was copied before a kill is not read again. The kill is played by a point
// that fails every step from then on, those of cleaning up too.
func testKilled(s *suite) {
	want := bytesOf("x", 40*RangeBytes)
	s.put("a_1.x", want)
	contents := s.open()
	c := s.only(contents, "a_1.")
	for _, kill := range []int64{1, 11, 40} {
		dead := errors.New("killed")
		var n atomic.Int64
		remove := faultpoint.Set(func(point string) error {
			if n.Load() >= kill || point == "range" && n.Add(1) >= kill {
				return dead
			}
			return nil
		})
		err := contents.Stage(s.Context(), c, s.path("copy"))
		remove()
		s.mustSay(err, dead)
		if _, err := os.Stat(s.path("copy")); err == nil {
			s.Fatal("a copy that is not whole has its name")
		}
		// Every 8 ranges it is noted what is done; some were still on their way.
		again := ranges(0, nil, func() { s.check(s.open().Stage(s.Context(), c, s.path("copy"))) })
		if done := max(0, kill-1-Streams) / 8 * 8; again > 40-done {
			s.Errorf("killed at range %d: %d ranges afterwards, %d were noted before", kill, again, done)
		}
		s.holds("copy", want)
		s.check(os.Remove(s.path("copy")))
	}
}

// What was copied of one object is never taken for part of another.
func testChangedBetweenStagings(s *suite) {
	s.put(canary+"a_1.x", bytesOf("a", 30*RangeBytes))
	s.put("b_1.x", bytesOf("b", 30*RangeBytes))
	contents := s.open()
	broken := errors.New("input/output error")
	a, b := s.only(contents, canary+"a_1."), s.only(contents, "b_1.")
	half := func() {
		ranges(25, broken, func() { s.mustSay(contents.Stage(s.Context(), a, s.path("copy")), broken) })
	}
	half()
	s.check(contents.Stage(s.Context(), b, s.path("copy")))
	s.holds("copy", s.objects["b_1.x"])
	s.check(os.Remove(s.path("copy")))
	half()
	s.fixture.Put(canary+"a_1.x", bytesOf("c", 30*RangeBytes))
	err := contents.Stage(s.Context(), a, s.path("copy"))
	s.stagedOrSaid(s.objects[canary+"a_1.x"], err, pipeline.ErrContentChanged)
}
