package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// mixed is a world with every defect, among resources that are equal.
func mixed(t testing.TB, equal int) (*world, [][]byte, map[string]string) {
	w := newWorld(t, 7)
	for _, name := range slices.Sorted(maps.Keys(defects)) {
		defects[name](w, w.body())
	}
	for range equal {
		defects["equal"](w, w.body())
	}
	objects, places := w.objects(5)
	return w, objects, places
}

var errKilled = errors.New("killed")

// TestKillAtEveryStep lets the disk fail at each step in turn, for good, as if
// the process had died there. The next run ends with the same answer, and reads
// nothing again that a run covers.
func TestKillAtEveryStep(t *testing.T) {
	w, objects, places := mixed(t, 30)
	book := openLedger(t, w.entries, 50)
	total := 0
	for _, o := range objects {
		total += len(o)
	}
	steps := make(map[string]bool)
	for n := 1; ; n++ {
		o := options(filepath.Join(t.TempDir(), "verify"))
		o.Workers, o.runTuples, o.mostRuns = 1, 20, 3
		var mu sync.Mutex
		passed, at := 0, ""
		remove := faultpoint.Set(func(point string) error {
			mu.Lock()
			defer mu.Unlock()
			if passed++; passed >= n {
				if at == "" {
					at = point
				}
				return errKilled
			}
			return nil
		})
		err := Digest(t.Context(), newExport(objects), o)
		if err == nil {
			_, err = compareAll(t.Context(), book, o)
		}
		remove()
		if at == "" {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("step %d (%s) failed, and the error is %v", n, at, err)
		}
		steps[at] = true
		covered := coverage(t, o.Dir)
		again := newExport(objects)
		w.check(t, verifyAll(t, book, again, o), places)
		read := 0
		for _, bytes := range again.read {
			read += int(bytes)
		}
		if _, err := os.Stat(filepath.Join(o.Dir, completeName)); err != nil || read > total-covered {
			t.Fatalf("step %d (%s): %d bytes read again, %d of %d were covered", n, at, read, covered, total)
		}
		if left, _ := filepath.Glob(filepath.Join(o.Dir, "*"+temporary)); len(left) > 0 {
			t.Fatalf("step %d (%s): a temporary is left", n, at)
		}
	}
	for _, step := range []string{"mkdir", "write", "written", "fsync", "rename", "renamed", "syncdir", "remove run"} {
		if !steps[step] {
			t.Errorf("step %s was never met", step)
		}
	}
}

// coverage returns the bytes of the export that durable runs cover.
func coverage(t *testing.T, dir string) (n int) {
	names, err := filepath.Glob(filepath.Join(dir, runPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[extent]bool)
	for _, name := range names {
		if strings.HasSuffix(name, temporary) {
			continue
		}
		_, f, err := openRun(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range f.Extents {
			if !seen[e] {
				n += int(e.To - e.From)
			}
			seen[e] = true
		}
	}
	return n
}

// TestWorkDirectoryCutAnywhere keeps only the first files that a digest has
// written, and a part of the next.
func TestWorkDirectoryCutAnywhere(t *testing.T) {
	w, objects, places := mixed(t, 100)
	book := openLedger(t, w.entries, 50)
	whole := options(t.TempDir())
	whole.Workers, whole.runTuples = 1, 15
	if err := Digest(t.Context(), newExport(objects), whole); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(whole.Dir, runPrefix+"*"))
	if err != nil || len(names) < 10 {
		t.Fatal(len(names), err)
	}
	for keep := range len(names) {
		o := whole
		o.Dir = t.TempDir()
		for i, name := range names[:keep+1] {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(o.Dir, filepath.Base(name))
			if i == keep {
				to, content = to+temporary, content[:len(content)*keep/len(names)]
			}
			if err := os.WriteFile(to, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o.Workers = 1 + keep%3
		w.check(t, verifyAll(t, book, newExport(objects), o), places)
	}
}

// TestSameAnswer: order of lines, workers, memory and a second call change
// nothing but the numbers of objects and lines.
func TestSameAnswer(t *testing.T) {
	w, objects, places := mixed(t, 200)
	book := openLedger(t, w.entries, 50)
	o := options(t.TempDir())
	first := verifyAll(t, book, newExport(objects), o)
	for i := range 3 {
		o.Workers, o.runTuples, o.mostRuns = 1+i, 10*(i+1), 2+i
		o.Dir = t.TempDir()
		for range 2 {
			export := newExport(objects)
			a := verifyAll(t, book, export, o)
			w.check(t, a, places)
			if !reflect.DeepEqual(a.order, first.order) || !reflect.DeepEqual(a.result, first.result) {
				t.Fatal("another answer")
			}
		}
	}
}

// TestCancel ends with the context's error and leaves no goroutine (TestMain).
func TestCancel(t *testing.T) {
	w, objects, places := mixed(t, 200)
	book := openLedger(t, w.entries, 50)
	for n := range 6 {
		o := options(t.TempDir())
		o.runTuples = 20
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		var mu sync.Mutex
		o.Digested = func(int64, int64) {
			mu.Lock()
			defer mu.Unlock()
			if runs++; runs > n {
				cancel()
			}
		}
		if err := Digest(ctx, newExport(objects), o); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, err := compareAll(t.Context(), book, o); err == nil {
			t.Fatal("an export that is not digested was compared")
		}
		o.Digested = nil
		w.check(t, verifyAll(t, book, newExport(objects), o), places)
		if _, err := compareAll(ctx, book, o); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
	}
}

// changing is an export that is not what its listing says.
type changing struct {
	*memoryExport
	list func(yield func(Object, error) bool)
	open func(o Object, offset int64) (io.ReadCloser, error)
}

func (c changing) Objects(ctx context.Context) iter.Seq2[Object, error] {
	if c.list != nil {
		return c.list
	}
	return c.memoryExport.Objects(ctx)
}

func (c changing) Open(ctx context.Context, o Object, offset int64) (io.ReadCloser, error) {
	if c.open != nil {
		return c.open(o, offset)
	}
	return c.memoryExport.Open(ctx, o, offset)
}

// TestChangedExport: an export that is not what it was, or not what its listing
// says, is never taken for the one that was verified.
func TestChangedExport(t *testing.T) {
	_, objects, _ := mixed(t, 50)
	broken := errors.New("broken")
	objectError := &pipeline.Error{Op: "list", Kind: pipeline.KindAuth, Err: broken}
	text := func(s string) func(Object, int64) (io.ReadCloser, error) {
		return func(_ Object, offset int64) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(s[min(len(s), int(offset)):])), nil
		}
	}
	for name, c := range map[string]struct {
		export Export
		kind   pipeline.Kind
	}{
		"shorter": {changing{memoryExport: newExport(objects), open: text("{}\n")}, pipeline.KindFatal},
		"cut off": {changing{memoryExport: newExport(objects), open: text(`{"resourceType":"Patient","i`)}, pipeline.KindFatal},
		"longer":  {changing{memoryExport: newExport(objects), open: text(strings.Repeat("{}\n", 1<<16))}, pipeline.KindFatal},
		"no list": {changing{memoryExport: newExport(objects), list: func(yield func(Object, error) bool) { yield(Object{}, objectError) }}, pipeline.KindAuth},
		"no bytes": {changing{memoryExport: newExport(objects), open: func(Object, int64) (io.ReadCloser, error) {
			return nil, objectError
		}}, pipeline.KindAuth},
	} {
		o := options(t.TempDir())
		o.runTuples = 4
		for range 2 { // the second time with what the first has left
			err := Digest(t.Context(), c.export, o)
			if pipeline.KindOf(err) != c.kind {
				t.Errorf("%s: %v", name, err)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "id-") || strings.Contains(text, "Patient") {
				t.Errorf("%s: the error has a value of a resource: %v", name, err) // I10
			}
		}
	}
	// Stopped half way, then another export.
	for name, other := range map[string][][]byte{
		"another object": append([][]byte{append([]byte(" \n"), objects[0]...)}, objects[1:]...),
		"fewer objects":  objects[:1],
	} {
		o := options(t.TempDir())
		o.Workers, o.runTuples = 1, 4
		ctx, cancel := context.WithCancel(t.Context())
		o.Digested = func(int64, int64) {
			if names, _ := filepath.Glob(filepath.Join(o.Dir, runPrefix+"*")); len(names) > 20 {
				cancel()
			}
		}
		_ = Digest(ctx, newExport(objects), o)
		o.Digested = nil
		if err := Digest(t.Context(), newExport(other), o); pipeline.KindOf(err) != pipeline.KindFatal {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// TestCutOffThenWhole: an object that ended too early, just where a run did, is
// not gone on with in the middle of a line.
func TestCutOffThenWhole(t *testing.T) {
	var text string
	var entries []ledger.Entry
	w := newWorld(t, 3)
	for range 9 {
		b := w.body()
		entries = append(entries, b.entry(t, 1, pipeline.Available, pipeline.NoReason))
		text += b.exported(w.rand, w.before(), "") + "\n"
	}
	book := openLedger(t, entries, 10)
	for end := range len(text) - 1 {
		if end%37 > 0 && text[end] != '\n' {
			continue
		}
		o := options(t.TempDir())
		o.runTuples = 3
		export := newExport([][]byte{[]byte(text)})
		cut := changing{memoryExport: export, open: func(Object, int64) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(text[:end])), nil
		}}
		if err := Digest(t.Context(), cut, o); pipeline.KindOf(err) != pipeline.KindFatal {
			t.Fatal(err)
		}
		if a := verifyAll(t, book, export, o); a.result.count(Equal) != 9 || len(a.findings) > 0 {
			t.Fatalf("cut at %d: %v", end, a.order)
		}
	}
}

// TestTupleAway: a tuple that is not where the sums say cannot hide a resource.
func TestTupleAway(t *testing.T) {
	w := newWorld(t, 5)
	defects["extra (WV10)"](w, w.body())
	objects, _ := w.objects(1)
	o := options(t.TempDir())
	if err := Digest(t.Context(), newExport(objects), o); err != nil {
		t.Fatal(err)
	}
	run := runPath(o.Dir, 1)
	content, err := os.ReadFile(run)
	if err != nil {
		t.Fatal(err)
	}
	content[0] ^= 0x80
	resum(content)
	if err := os.WriteFile(run, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := compareAll(t.Context(), openLedger(t, nil, 1), o); pipeline.KindOf(err) != pipeline.KindFatal {
		t.Errorf("%v", err)
	}
}

// resum makes the first tuple of a run one that was written so.
func resum(run []byte) {
	var t tuple
	t.decode(run)
	copy(run, t.appendTo(nil))
}

// TestDamagedWorkDirectory: what is not what we wrote is refused.
func TestDamagedWorkDirectory(t *testing.T) {
	w, objects, _ := mixed(t, 50)
	book := openLedger(t, w.entries, 50)
	for name, damage := range map[string]func(dir, run string, content []byte) error{
		"cut":       func(_, run string, b []byte) error { return os.WriteFile(run, b[:len(b)-1], 0o600) },
		"empty":     func(_, run string, _ []byte) error { return os.WriteFile(run, nil, 0o600) },
		"footer":    func(_, run string, b []byte) error { b[len(b)-30] ^= 1; return os.WriteFile(run, b, 0o600) },
		"count":     func(_, run string, b []byte) error { b[len(b)-24] ^= 1; return os.WriteFile(run, b, 0o600) },
		"no number": func(dir, run string, _ []byte) error { return os.Rename(run, filepath.Join(dir, runPrefix+"x")) },
		"gone":      func(_, run string, _ []byte) error { return os.Remove(run) },
		"order": func(_, run string, b []byte) error {
			copy(b[:16], strings.Repeat("\xff", 16))
			resum(b)
			return os.WriteFile(run, b, 0o600)
		},
		"a digest": func(_, run string, b []byte) error { b[20] ^= 1; return os.WriteFile(run, b, 0o600) },
		"a flag":   func(_, run string, b []byte) error { b[98] ^= flagGenerated; return os.WriteFile(run, b, 0o600) },
		"a sum":    func(_, run string, b []byte) error { b[tupleSize-1] ^= 0x80; return os.WriteFile(run, b, 0o600) },
		"complete": func(dir, _ string, _ []byte) error {
			return os.WriteFile(filepath.Join(dir, completeName), []byte("{"), 0o600)
		},
	} {
		o := options(t.TempDir())
		o.Workers, o.runTuples = 1, 50
		if err := Digest(t.Context(), newExport(objects), o); err != nil {
			t.Fatal(err)
		}
		run := runPath(o.Dir, 1)
		content, err := os.ReadFile(run)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(o.Dir, run, content); err != nil {
			t.Fatal(err)
		}
		if _, err := compareAll(t.Context(), book, o); pipeline.KindOf(err) != pipeline.KindFatal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOtherMarks(t *testing.T) {
	_, objects, _ := mixed(t, 10)
	o := options(t.TempDir())
	if err := Digest(t.Context(), newExport(objects), o); err != nil {
		t.Fatal(err)
	}
	o.Marks.Tags = nil
	if err := Digest(t.Context(), newExport(objects), o); pipeline.KindOf(err) != pipeline.KindCheckpoint {
		t.Errorf("%v", err)
	}
	if err := os.Remove(filepath.Join(o.Dir, completeName)); err != nil {
		t.Fatal(err)
	}
	if err := Digest(t.Context(), newExport(objects), o); pipeline.KindOf(err) != pipeline.KindCheckpoint {
		t.Errorf("%v", err)
	}
}

// TestModes: hashes of ids are PHI (I10).
func TestModes(t *testing.T) {
	_, objects, _ := mixed(t, 10)
	o := options(filepath.Join(t.TempDir(), "a", "b"))
	if err := Digest(t.Context(), newExport(objects), o); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(filepath.Dir(o.Dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s: %v", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
