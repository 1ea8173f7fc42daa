package listing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// Whatever fits in memory, the listing is the same, and nothing else stays.
func TestSorter(t *testing.T) {
	all := sample(3000, 16)
	shuffled := slices.Clone(all)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, test := range []struct{ limit, objects, runs int }{
		{1, 150, 2 * mostRuns}, // a run for each, and runs of runs
		{1000, 300, 30}, {150_000, 3000, 3}, {sortBytes, 3000, 0}, {sortBytes, 0, 0},
	} {
		dir := t.TempDir()
		s := NewSorter(filepath.Join(dir, "l"), of)
		s.limit = test.limit
		s.Remark(3)
		for _, c := range shuffled {
			if c.Size < int64(test.objects)*1000 {
				check(t, s.Add(c))
			}
		}
		if s.made < test.runs || len(s.runs) > mostRuns {
			t.Errorf("limit %d: %d runs were made, %d are open", test.limit, s.made, len(s.runs))
		}
		check(t, s.Commit())
		check(t, s.Close())
		l, err := Open(filepath.Join(dir, "l"), of)
		check(t, err)
		got, err := read(l)
		check(t, errors.Join(err, l.Close()))
		if !slices.Equal(got, all[:test.objects]) || s.Objects() != int64(test.objects) || l.Remark() != 3 {
			t.Errorf("limit %d: %d objects, or in another order", test.limit, len(got))
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("limit %d: left %v, %v", test.limit, left, err)
		}
	}
}

func TestTwice(t *testing.T) {
	for _, limit := range []int{1, sortBytes} {
		dir := t.TempDir()
		s := NewSorter(filepath.Join(dir, "l"), of)
		s.limit = limit
		for _, key := range []string{"b", "a", "b"} {
			check(t, s.Add(pipeline.Content{Key: key}))
		}
		if err := s.Commit(); !errors.Is(err, ErrTwice) {
			t.Errorf("got %v", err)
		}
		check(t, s.Close())
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	}
}

// Each step of a listing with many runs fails in turn: the error is told, and
// nothing stays.
func TestSorterFails(t *testing.T) {
	broken := errors.New("broken")
	for n := 1; ; n += 13 {
		dir := t.TempDir()
		passed := 0
		removeHook := faultpoint.Set(func(string) error {
			if passed++; passed == n {
				return broken
			}
			return nil
		})
		s := NewSorter(filepath.Join(dir, "l"), of)
		s.limit = 1
		var err error
		for i := 0; i < mostRuns+3 && err == nil; i++ {
			err = s.Add(pipeline.Content{Key: fmt.Sprint(i)})
		}
		if err == nil {
			err = s.Commit()
		}
		removeHook()
		check(t, s.Close())
		if passed < n {
			check(t, err)
			return
		}
		if !errors.Is(err, broken) {
			t.Errorf("step %d: got %v", n, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 1 || len(left) == 1 && left[0].Name() != "l" {
			t.Errorf("step %d: left %v, %v", n, left, err)
		}
	}
}
