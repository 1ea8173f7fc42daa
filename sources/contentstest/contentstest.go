package contentstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/pipeline"
)

// canary stands in the keys that errors are about; no error may show it (I10).
const canary = "canary-8e21d7"

// RangeBytes is what Stage must read by one request, and Streams how many ranges
// it may read at the same time.
const (
	RangeBytes = 1000
	Streams    = 2
)

// Fixture is a bucket that the suite can change, and a state directory.
type Fixture interface {
	// Open opens the bucket as a new process would: all calls share one state
	// directory. prefix is "" or "<tenant>/".
	Open(prefix string) (pipeline.Contents, error)
	// Put makes an object, or replaces one.
	Put(key string, content []byte)
	// Remove takes an object away for good.
	Remove(key string)
	// Versions tells that the bucket keeps what is replaced: a listed object can
	// be read for ever.
	Versions() bool
}

// Run runs the suite. lay lays out an empty bucket.
func Run(t *testing.T, lay func(t *testing.T) Fixture) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, test := range map[string]func(*suite){
		"empty":                    testEmpty,
		"order":                    testOrder,
		"finds like the oracle":    testFinds,
		"near misses":              testNearMisses,
		"one tenant":               testTenant,
		"lists once":               testListsOnce,
		"listing is cut short":     testListingCutShort,
		"another location":         testOtherPrefix,
		"reads":                    testReads,
		"changed":                  testChanged,
		"changed while reading":    testChangedWhileReading,
		"gone":                     testGone,
		"stages":                   testStages,
		"stages what is provable":  testStagesProvable,
		"each step fails":          testEachStepFails,
		"killed while staging":     testKilled,
		"changed between stagings": testChangedBetweenStagings,
		"cancelled":                testCancelled,
	} {
		t.Run(name, func(t *testing.T) {
			test(&suite{T: t, fixture: lay(t), objects: map[string][]byte{}, dir: t.TempDir()})
		})
	}
}

type suite struct {
	*testing.T
	fixture Fixture
	objects map[string][]byte // what the bucket holds
	dir     string            // for staged copies
}

func (s *suite) put(key string, content []byte) {
	s.fixture.Put(key, content)
	s.objects[key] = content
}

// keys are in byte order.
func (s *suite) keys() []string { return slices.Sorted(maps.Keys(s.objects)) }

func (s *suite) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// open returns the bucket, listed, as a new process would see it.
func (s *suite) open() pipeline.Contents {
	s.Helper()
	contents := s.process("")
	s.check(contents.List(s.Context(), func(int64) {}))
	return contents
}

// process opens the bucket and closes it at the end of the test.
func (s *suite) process(prefix string) pipeline.Contents {
	s.Helper()
	contents, err := s.fixture.Open(prefix)
	s.check(err)
	if closer, ok := contents.(io.Closer); ok {
		s.Cleanup(func() {
			if err := closer.Close(); err != nil {
				s.Error(err)
			}
		})
	}
	return contents
}

// only returns the one object with the prefix.
func (s *suite) only(contents pipeline.Contents, prefix string) pipeline.Content {
	s.Helper()
	found, _, err := contents.Find(prefix)
	s.check(err)
	if len(found) != 1 {
		s.Fatalf("%d objects found, want 1", len(found))
	}
	return found[0]
}

func (s *suite) path(name string) string { return filepath.Join(s.dir, name) }

// mustSay fails unless err is want and tells nothing that it must not.
func (s *suite) mustSay(err, want error) {
	s.Helper()
	if err == nil {
		s.Fatal("no error")
	}
	if !errors.Is(err, want) {
		s.Errorf("got %v, want %v", err, want)
	}
	s.mustHide(err)
}

// mustHide: I10.
func (s *suite) mustHide(err error) {
	s.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		text := fmt.Sprintf("%v %+v %s", e, e, pipeline.HintOf(e))
		if strings.Contains(text, canary) || strings.Contains(text, "http:") {
			s.Errorf("I10: the error holds a key or an URL: %s", text)
		}
	}
}

func read(ctx context.Context, contents pipeline.Contents, c pipeline.Content, offset int64) ([]byte, error) {
	r, err := contents.Open(ctx, c, offset)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

// bytesOf are n bytes that differ from those of another name.
func bytesOf(name string, n int) []byte {
	p := bytes.Repeat([]byte(name+"|0123456789"), n/(len(name)+11)+1)[:n]
	return p
}

// left returns the files that a test has left in the directory of copies.
func (s *suite) left() []string {
	s.Helper()
	entries, err := os.ReadDir(s.dir)
	s.check(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
