package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
)

// canary stands in every object's bytes; no error may show it (I10).
const canary = "canary-5917ffb4"

// Object is an input object that the suite asks for.
type Object struct {
	Name       string // a file name, unique
	Items      int64  // what the source's manifest promises
	Compressed []byte // what it promises the MD5 of; the suite never inflates it
}

// Fixture is a source's input that the suite can spoil, and a state directory.
type Fixture interface {
	// Open opens the source as a new process would. All calls share one state
	// directory. staged is told the bytes that Stage fetches or hashes.
	Open(ctx context.Context, staged func(int64)) (pipeline.Source, error)
	// Key returns the key by which the source knows an object.
	Key(name string) string
	// Replace puts other bytes where the object lies; the manifest stays.
	Replace(name string, data []byte)
	// Remove takes the object away; the manifest stays.
	Remove(name string)
}

// Lay lays out a new input.
type Lay func(t *testing.T, objects []Object) Fixture

// Run runs the suite for a source whose manifest promises a number of items and an
// MD5 of each object.
func Run(t *testing.T, lay Lay) {
	run(t, lay, true, map[string]func(*suite){"wrong bytes, then repaired": testWrongBytes})
}

// RunUnpromised runs the suite for a source that promises neither, of which Stage
// counts the lines.
func RunUnpromised(t *testing.T, lay Lay) {
	run(t, lay, false, map[string]func(*suite){"another object in its place": testReplaced})
}

func run(t *testing.T, lay Lay, promised bool, more map[string]func(*suite)) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	tests := map[string]func(*suite){
		"order":                       testOrder,
		"reads what is promised":      testReads,
		"stages once":                 testStagesOnce,
		"missing object":              testMissing,
		"changed after staging":       testChanged,
		"replaced by the same length": testReplacedSameLength,
		"discard":                     testDiscard,
		"cancelled":                   testCancelled,
		"each step fails":             testEachStepFails,
	}
	maps.Copy(tests, more)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := sample()
			test(&suite{T: t, promised: promised, objects: objects, fixture: lay(t, objects)})
		})
	}
}

func sample() []Object {
	bytesOf := func(name string, n int) []byte {
		return bytes.Repeat([]byte(canary+" "+name+"\n"), n)
	}
	return []Object{
		{"b.json.gz", 10, bytesOf("b", 1000)},
		{"empty.json.gz", 0, nil},
		{"a.json.gz", 10, bytesOf("a", 1)},
		{"large.json.gz", 500, bytesOf("large", 40_000)},
		{"c.json.gz", 7, bytesOf("c", 30)},
	}
}

type suite struct {
	*testing.T
	promised bool
	objects  []Object
	fixture  Fixture
}

// order is the one in which the sample is taken: by items descending, then by key;
// if none are promised, by size descending.
func (s *suite) order() []string {
	if s.promised {
		return []string{"large.json.gz", "a.json.gz", "b.json.gz", "c.json.gz", "empty.json.gz"}
	}
	return []string{"large.json.gz", "b.json.gz", "c.json.gz", "a.json.gz", "empty.json.gz"}
}

// items is what an object's Items must be, and the records of what is staged.
func (s *suite) items(o Object) (promised, counted int64) {
	if s.promised {
		return o.Items, o.Items
	}
	return pipeline.Unpromised, int64(bytes.Count(o.Compressed, []byte{'\n'}))
}

func (s *suite) open(staged func(int64)) pipeline.Source {
	s.Helper()
	source, err := s.fixture.Open(s.Context(), staged)
	if err != nil {
		s.Fatal(err)
	}
	return source
}

func (s *suite) object(name string) Object {
	for _, o := range s.objects {
		if o.Name == name {
			return o
		}
	}
	panic("no object " + name)
}

func (s *suite) number(name string) int {
	for i, n := range s.order() {
		if n == name {
			return i
		}
	}
	panic("no object " + name)
}

// read stages an object and reads all of it.
func read(ctx context.Context, source pipeline.Source, i int) ([]byte, error) {
	staged, err := source.Stage(ctx, i)
	if err != nil {
		return nil, err
	}
	return readStaged(staged)
}

func readStaged(staged pipeline.Staged) ([]byte, error) {
	r, err := staged.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

// mustSay fails unless err is a fatal error that an operator can act on.
func (s *suite) mustSay(err error, name string) {
	s.Helper()
	switch {
	case err == nil:
		s.Fatal("no error")
	case pipeline.KindOf(err) != pipeline.KindFatal:
		s.Errorf("kind %d, want fatal: %v", pipeline.KindOf(err), err)
	case !strings.Contains(err.Error(), name):
		s.Errorf("does not name %s: %v", name, err)
	case pipeline.HintOf(err) == "":
		s.Errorf("no hint: %v", err)
	}
	if strings.Contains(fmt.Sprintf("%+v", err), canary) {
		s.Errorf("I10: the error shows what an object holds")
	}
}

func testOrder(s *suite) {
	for range 2 {
		source := s.open(nil)
		objects := source.Objects()
		if len(objects) != len(s.order()) {
			s.Fatalf("%d objects, want %d", len(objects), len(s.order()))
		}
		for i, got := range objects {
			want := s.object(s.order()[i])
			items, _ := s.items(want)
			if got.Key != s.fixture.Key(want.Name) || got.Items != items || got.Size != int64(len(want.Compressed)) {
				s.Errorf("object %d is %+v, want %s", i, got, want.Name)
			}
		}
	}
}

func testReads(s *suite) {
	source := s.open(nil)
	var group errgroup.Group // several at the same time
	for i := range source.Objects() {
		group.Go(func() error {
			for range 2 {
				staged, err := source.Stage(s.Context(), i)
				if err != nil {
					return err
				}
				got, err := readStaged(staged)
				if err != nil {
					return err
				}
				if _, want := s.items(s.object(s.order()[i])); staged.Records() != want {
					return fmt.Errorf("object %d: %d records, want %d", i, staged.Records(), want)
				}
				if !bytes.Equal(got, s.object(s.order()[i]).Compressed) {
					return fmt.Errorf("object %d: other bytes", i)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		s.Error(err)
	}
}

func testMissing(s *suite) {
	s.fixture.Remove("b.json.gz")
	_, err := s.fixture.Open(s.Context(), nil)
	s.mustSay(err, "b.json.gz")
	s.fixture.Replace("b.json.gz", s.object("b.json.gz").Compressed)
	s.open(nil)
}
