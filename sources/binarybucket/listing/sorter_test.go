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

// Whatever fits in memory, the order is the same, and nothing stays behind.
func TestSorter(t *testing.T) {
	want := sample(3000, 16)
	shuffled := slices.Clone(want)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, limit := range []int{1, 1000, 150_000, sortBytes} {
		dir := t.TempDir()
		s := NewSorter(filepath.Join(dir, "l"))
		s.limit = limit
		n := len(want)
		if limit == 1 {
			n = 100 // a run for each
		}
		for _, c := range shuffled {
			if c.Size < int64(n)*1000 {
				check(t, s.Add(c))
			}
		}
		if runs := len(s.runs); limit < sortBytes && runs < 3 {
			t.Errorf("limit %d: only %d runs", limit, runs)
		}
		var got []pipeline.Content
		check(t, s.Each(func(c pipeline.Content) error {
			got = append(got, c)
			return nil
		}))
		if !slices.Equal(got, want[:n]) {
			t.Errorf("limit %d: %d objects, in another order", limit, len(got))
		}
		check(t, s.Close())
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("limit %d: left %v, %v", limit, left, err)
		}
	}
}

func TestSorterFails(t *testing.T) {
	dir := t.TempDir()
	s := NewSorter(filepath.Join(dir, "l"))
	s.limit = 1
	for i := range 3 {
		check(t, s.Add(pipeline.Content{Key: fmt.Sprint(i)}))
	}
	broken := errors.New("broken")
	remove := faultpoint.Set(func(string) error { return broken })
	if err := s.Add(pipeline.Content{Key: "3"}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	remove()
	if err := s.Each(func(pipeline.Content) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	check(t, s.Close())
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
