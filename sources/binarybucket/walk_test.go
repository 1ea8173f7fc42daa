package binarybucket

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

// walked is what Walk says, sorted: a key, with a minus if it is noncurrent only.
func walked(t *testing.T, s *Source, prefix string) (keys []string) {
	t.Helper()
	hidden, err := s.Walk(t.Context(), prefix, func(c pipeline.Content, current bool) error {
		if !current {
			c.Key = "-" + c.Key
		}
		keys = append(keys, c.Key)
		return nil
	})
	check(t, err)
	if hidden {
		t.Error("noncurrent objects are hidden")
	}
	slices.Sort(keys)
	return keys
}

// TestWalk: what the place holds now, and nothing is written for it.
func TestWalk(t *testing.T) {
	r, d := newRig(t, ""), newCopied(t)
	r.memory.KeepVersions()
	for _, key := range []string{"a_1.x", "a_2.x", "t/a_1.x", "t/u/b_1.x", "tt/a_1.x"} {
		r.memory.Put(key, []byte(key))
		r.memory.Put(key, []byte(key)) // an older version is none of its own
		d.Put(key, []byte(key))
	}
	r.memory.Put("t/gone_1.x", nil)
	r.memory.Delete("t/gone_1.x")
	directory, err := Open(Options{Location: d.root, StateDir: d.state})
	check(t, err)
	bucket := r.source("")
	all := []string{"a_1.x", "a_2.x", "t/a_1.x", "t/u/b_1.x", "tt/a_1.x"}
	for _, test := range []struct {
		s      *Source
		prefix string
		want   []string
	}{
		{bucket, "", append([]string{"-t/gone_1.x"}, all...)},
		{bucket, "t/", []string{"-t/gone_1.x", "t/a_1.x", "t/u/b_1.x"}},
		{bucket, "a_1.", []string{"a_1.x"}},
		{bucket, "none/", nil},
		{directory, "", all},
		{directory, "t/", []string{"t/a_1.x", "t/u/b_1.x"}},
		{directory, "none/", nil},
	} {
		if got := walked(t, test.s, test.prefix); !slices.Equal(got, test.want) {
			t.Errorf("%q: %v, want %v", test.prefix, got, test.want)
		}
		enough := errors.New("enough")
		_, err := test.s.Walk(t.Context(), test.prefix, func(pipeline.Content, bool) error { return enough })
		if (err == enough) != (test.want != nil) { //nolint:errorlint // it comes back as it is
			t.Errorf("%q: %v", test.prefix, err)
		}
		check(t, test.s.Look(t.Context()))
	}
	for _, state := range []string{r.state, d.state} {
		if left, err := os.ReadDir(state); err != nil || len(left) > 0 {
			t.Errorf("written: %v, %v", left, err)
		}
	}
}

// TestLook: a place that is not there, or may not be listed, is told before
// anything stands on it.
func TestLook(t *testing.T) {
	d, r := newCopied(t), newRig(t, "")
	file := filepath.Join(d.root, "file")
	check(t, os.WriteFile(file, nil, 0o600))
	for _, at := range []string{filepath.Join(d.root, "none"), file} {
		s, err := Open(Options{Location: at})
		check(t, err)
		if err := s.Look(t.Context()); pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
			t.Errorf("%s: %v", at, err)
		}
	}
	s := r.source("")
	check(t, s.Look(t.Context())) // it is empty
	r.memory.Put("secret_1.x", nil)
	check(t, s.Look(t.Context()))
	r.memory.Configure("versions", "AccessDenied")
	check(t, s.Look(t.Context())) // without versions
}
