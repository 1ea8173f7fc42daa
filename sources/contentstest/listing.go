package contentstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

func testEmpty(s *suite) {
	contents := s.open()
	if objects, bytes := contents.Totals(); objects != 0 || bytes != 0 {
		s.Errorf("%d objects of %d bytes", objects, bytes)
	}
	if found, _, err := contents.Find("a_1."); err != nil || len(found) > 0 {
		s.Errorf("%d found, %v", len(found), err)
	}
	if erased, err := contents.Erased(s.Context(), "a_1."); err != nil || len(erased) > 0 {
		s.Errorf("%d erased, %v", len(erased), err)
	}
	s.check(contents.Each(s.Context(), "", func(int64, pipeline.Content) error { return errors.New("there is none") }))
}

// The order is that of whole keys as bytes: neither that of folders nor that of
// names, nor of UTF-16.
func testOrder(s *suite) {
	for i, key := range []string{
		"a/b/c", "a.b", "a-b", "a0", "a/b.c", "a/b-c", "a/b0", "b", "ä", "\U0001F600", "\uffee", "A", "t_1/x", "t/x", "t-1/x",
		"a b", "a+b", "a%20b", "a&b<c>", "z",
	} {
		s.put(key, bytesOf("x", i))
	}
	var told int64
	contents := s.process("")
	s.check(contents.List(s.Context(), func(objects int64) { told = max(told, objects) }))
	keys, bytes := s.keys(), int64(0)
	next := int64(0)
	s.check(contents.Each(s.Context(), "", func(number int64, c pipeline.Content) error {
		if number != next || c.Key != keys[number] || c.Size != int64(len(s.objects[c.Key])) || c.Modified.IsZero() {
			return fmt.Errorf("object %d is %+v, want number %d, %q of %d bytes", number, c, next, keys[number], len(s.objects[keys[number]]))
		}
		next++
		bytes += c.Size
		return nil
	}))
	if objects, total := contents.Totals(); objects != int64(len(keys)) || next != objects || total != bytes || told != objects {
		s.Errorf("%d objects of %d bytes, %d told, %d seen; want %d of %d", objects, total, told, next, len(keys), bytes)
	}
	for _, prefix := range []string{"a", "a/", "a/b", "t/", "t", "A", "0", "zz", "\U0001F600", "ä/"} {
		var want, got []string
		for i, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, fmt.Sprint(i, key))
			}
		}
		s.check(contents.Each(s.Context(), prefix, func(number int64, c pipeline.Content) error {
			got = append(got, fmt.Sprint(number, c.Key))
			return nil
		}))
		if !slices.Equal(got, want) {
			s.Errorf("%q: %v, want %v", prefix, got, want)
		}
	}
	stop := errors.New("stop")
	if err := contents.Each(s.Context(), "", func(int64, pipeline.Content) error { return stop }); !errors.Is(err, stop) {
		s.Errorf("Each has swallowed %v", err)
	}
}

// matches is the oracle: what the contract says, one key after the other.
func matches(keys []string, prefix string) (numbers []int64) {
	for i, key := range keys {
		if rest, ok := strings.CutPrefix(key, prefix); ok && !strings.Contains(rest, "/") {
			numbers = append(numbers, int64(i))
		}
	}
	return numbers
}

// part is a piece of a key: pieces that are prefixes of each other, with every
// character that has a place before or behind the ones that separate.
var parts = []string{"a", "ab", "abc", "a.b", "a-", "a.", "1", "10", "11", "1.2", "", "-", ".", "tenant", "tenant_1", "tenant-1", "pdf", "false", "é", "\uffee", "0"}

func randomKey(r *rand.Rand) string {
	part := func() string { return parts[r.IntN(len(parts))] }
	key := part() + "_" + part() + "." + part()
	switch r.IntN(6) {
	case 0:
		key = part() + "x/" + key
	case 1:
		key += "/" + part() + "y"
	case 2:
		key = part() + "-" + part() + "z"
	}
	return key
}

func testFinds(s *suite) {
	r := rand.New(rand.NewPCG(1, 2))
	for len(s.objects) < 400 {
		key := randomKey(r)
		if s.takes(key) {
			s.put(key, bytesOf(key, r.IntN(3)))
		}
	}
	contents, keys := s.open(), s.keys()
	several := 0
	for range 4000 {
		key := keys[r.IntN(len(keys))]
		prefix := key[:r.IntN(len(key)+1)]
		if r.IntN(4) == 0 {
			prefix = randomKey(r)
		}
		want := matches(keys, prefix)
		found, first, err := contents.Find(prefix)
		s.check(err)
		if len(found) != min(2, len(want)) {
			s.Fatalf("%q: %d found, want %d", prefix, len(found), len(want))
		}
		for i, c := range found {
			if c.Key != keys[want[i]] || first != want[0] || c.Size != int64(len(s.objects[c.Key])) {
				s.Fatalf("%q: %q found as number %d, want %q as %d", prefix, c.Key, first, keys[want[i]], want[0])
			}
		}
		if len(want) > 1 {
			several++
		}
	}
	if several < 200 {
		s.Errorf("only %d prefixes with several objects", several)
	}
}

// takes tells whether a directory too could hold the key beside the others.
func (s *suite) takes(key string) bool {
	for _, element := range strings.Split(key, "/") {
		if element == "" || element == "." || element == ".." {
			return false
		}
	}
	for other := range s.objects {
		if strings.HasPrefix(other, key+"/") || strings.HasPrefix(key, other+"/") {
			return false
		}
	}
	return true
}

// WB7: ids with dots, extensions of every kind, and neighbours that are not meant.
func testNearMisses(s *suite) {
	for _, key := range []string{
		"abc_1.pdf", "abc_11.pdf", "abcd_1.pdf", "abc_1x.pdf", "a.b.c_1.jpeg", "a.b_1.false", "x_2.", "x_2_1.txt", "x_22.txt",
		"t/abc_1.tif", "t_1/abc_1.bin", "-_3.xml", "two_1.a", "two_1.b", "three_1.a", "three_1.b", "three_1.c", "deep_1.x/y", "deep_1.-", "deep_1.z",
	} {
		s.put(key, []byte(key))
	}
	contents := s.open()
	for prefix, want := range map[string]string{
		"abc_1.": "abc_1.pdf", "abc_11.": "abc_11.pdf", "abcd_1.": "abcd_1.pdf", "a.b.c_1.": "a.b.c_1.jpeg", "a.b_1.": "a.b_1.false",
		"x_2.": "x_2.", "x_22.": "x_22.txt", "t/abc_1.": "t/abc_1.tif", "t_1/abc_1.": "t_1/abc_1.bin", "-_3.": "-_3.xml",
		"two_1.": "two_1.a two_1.b", "three_1.": "three_1.a three_1.b", "deep_1.": "deep_1.- deep_1.z",
		"ab_1.": "", "abc_2.": "", "a_1.": "", "x_.": "", "t_2/abc_1.": "", "zzz_1.": "", "": "-_3.xml a.b.c_1.jpeg",
	} {
		found, first, err := contents.Find(prefix)
		s.check(err)
		var got []string
		for _, c := range found {
			got = append(got, c.Key)
		}
		if strings.Join(got, " ") != want {
			s.Errorf("%q: found %q, want %q", prefix, got, want)
		}
		if numbers := matches(s.keys(), prefix); len(numbers) > 0 && first != numbers[0] {
			s.Errorf("%q: number %d, want %d", prefix, first, numbers[0])
		}
	}
}

// WB8: what belongs to another tenant is not even listed.
func testTenant(s *suite) {
	for _, key := range []string{"t/a_1.x", "t_1/a_1.x", "t/b_1.x", "a_1.x", "tt/a_1.x", "t-/c_1.x", "t/u/a_1.x"} {
		s.put(key, []byte(key))
	}
	contents := s.process("t/")
	s.check(contents.List(s.Context(), func(int64) {}))
	var keys []string
	s.check(contents.Each(s.Context(), "", func(_ int64, c pipeline.Content) error {
		keys = append(keys, c.Key)
		return nil
	}))
	if got := strings.Join(keys, " "); got != "t/a_1.x t/b_1.x t/u/a_1.x" {
		s.Errorf("listed %s", got)
	}
	data, err := read(s.Context(), contents, s.only(contents, "t/a_1."), 0)
	if err != nil || string(data) != "t/a_1.x" {
		s.Errorf("%q, %v", data, err)
	}
}

// I3: every process of a job sees the same listing.
func testListsOnce(s *suite) {
	s.put("a_1.x", []byte("a"))
	s.open()
	s.put("b_1.x", []byte("b"))
	s.fixture.Remove("a_1.x")
	contents := s.open()
	if objects, _ := contents.Totals(); objects != 1 {
		s.Errorf("%d objects, want the one that was listed first", objects)
	}
	s.only(contents, "a_1.")
}

// A listing of which a step fails is begun again by the next process.
func testListingCutShort(s *suite) {
	broken := errors.New("input/output error")
	for i := range 110 { // more than a page of the tests' S3
		s.put(fmt.Sprintf("%s-%d_1.x", canary, i), nil)
	}
	for n := int64(1); ; n++ {
		var passed atomic.Int64
		remove := faultpoint.Set(func(string) error {
			if passed.Add(1) == n {
				return broken
			}
			return nil
		})
		contents := s.process("")
		err := contents.List(s.Context(), func(int64) {})
		remove()
		if passed.Load() < n {
			if err != nil {
				s.Errorf("no step failed, but the listing did: %v", err)
			}
			if n < 6 {
				s.Errorf("only %d steps stand behind a fault point", n-1)
			}
			return
		}
		s.mustSay(err, broken)
		if objects, _ := s.open().Totals(); objects != 110 {
			s.Fatalf("after step %d failed: %d objects", n, objects)
		}
		fresh, ok := s.fixture.(interface{ Forget() })
		if !ok {
			s.Fatal("the fixture cannot forget its state")
		}
		fresh.Forget()
	}
}

// A state directory with the listing of another place is refused.
func testOtherPrefix(s *suite) {
	s.put("t/a_1.x", []byte("a"))
	s.open()
	err := s.process("t/").List(s.Context(), func(int64) {})
	if pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
		s.Errorf("got %v", err)
	}
}

func testCancelled(s *suite) {
	s.put(canary+"_1.x", bytes.Repeat([]byte("x"), 5*RangeBytes))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if err := s.process("").List(ctx, func(int64) {}); !errors.Is(err, context.Canceled) {
		s.Errorf("listed with a cancelled context: %v", err)
	}
	contents := s.open()
	c := s.only(contents, canary+"_1.")
	if _, err := read(ctx, contents, c, 0); !errors.Is(err, context.Canceled) {
		s.Errorf("read with a cancelled context: %v", err)
	}
	if err := contents.Stage(ctx, c, s.path("copy")); !errors.Is(err, context.Canceled) {
		s.Errorf("staged with a cancelled context: %v", err)
	}
	if err := contents.Each(ctx, "", func(int64, pipeline.Content) error { return nil }); !errors.Is(err, context.Canceled) {
		s.Errorf("walked with a cancelled context: %v", err)
	}
}
