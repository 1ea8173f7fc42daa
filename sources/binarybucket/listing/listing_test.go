package listing

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

var update = flag.Bool("update", false, "rewrite golden files")

var of = Fingerprint{1, 2, 3}

// failer is a test or a property.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func check(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list makes a listing of contents that are in order.
func list(t failer, path string, contents []pipeline.Content) *Listing {
	t.Helper()
	w := create(path, of)
	w.remark = 7
	for _, c := range contents {
		check(t, w.add(c))
	}
	check(t, w.commit())
	l, err := Open(path, of)
	check(t, err)
	return l
}

func read(l *Listing) (contents []pipeline.Content, err error) {
	c, err := l.seek("")
	for err == nil {
		var ok bool
		if ok, err = c.Next(); !ok {
			break
		}
		contents = append(contents, c.Content())
	}
	return contents, err
}

// sample are n objects in order; with long keys a few thousand make four levels.
func sample(n, pad int) []pipeline.Content {
	contents := make([]pipeline.Content, n)
	for i := range contents {
		contents[i] = pipeline.Content{
			Key:  fmt.Sprintf("%04d%s_1.pdf", i, strings.Repeat("x", pad)),
			ETag: fmt.Sprintf(`"%032x"`, i), Size: int64(i) * 1000, Modified: time.Unix(int64(i), int64(i)).UTC(),
		}
		if i%3 == 0 {
			contents[i].VersionID = fmt.Sprint("v", i)
		}
	}
	return contents
}

// What is written is read, and found as a naive search finds it.
func TestProperty(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringOfN(rapid.SampledFrom([]rune("ab._-/0\u00e9")), 1, 12, -1)
		pad := strings.Repeat("p", rapid.SampledFrom([]int{0, 0, 3000}).Draw(t, "pad")) // few to a block
		set := map[string]bool{}
		for _, k := range rapid.SliceOfN(key, 0, 60).Draw(t, "keys") {
			set[pad+k] = true
		}
		var contents []pipeline.Content
		for k := range set {
			contents = append(contents, pipeline.Content{
				Key: k, ETag: key.Draw(t, "etag"), VersionID: key.Draw(t, "version"), Size: rapid.Int64Range(0, 1<<40).Draw(t, "size"),
				Modified: time.Unix(0, rapid.Int64Min(unknownTime+1).Draw(t, "modified")).UTC(),
			})
		}
		slices.SortFunc(contents, func(a, b pipeline.Content) int { return strings.Compare(a.Key, b.Key) })
		l := list(t, filepath.Join(dir, "l"), contents)
		defer func() { check(t, l.Close()) }()
		got, err := read(l)
		check(t, err)
		if !slices.Equal(got, contents) {
			t.Fatalf("got %v, want %v", got, contents)
		}
		for range 20 {
			prefix := pad + key.Draw(t, "prefix")
			if rapid.Bool().Draw(t, "listed") && len(contents) > 0 {
				k := rapid.SampledFrom(contents).Draw(t, "of").Key
				prefix = k[:rapid.IntRange(0, len(k)).Draw(t, "length")]
			}
			compare(t, l, contents, prefix)
		}
	})
}

// compare holds Find to what the contract says.
func compare(t failer, l *Listing, contents []pipeline.Content, prefix string) {
	t.Helper()
	want, number := []pipeline.Content{}, int64(-1)
	for i, c := range contents {
		if rest, ok := strings.CutPrefix(c.Key, prefix); ok && !strings.Contains(rest, "/") && len(want) < 2 {
			if want = append(want, c); len(want) == 1 {
				number = int64(i)
			}
		}
	}
	found, first, err := l.Find(prefix)
	if err != nil || first != number || !slices.Equal(found, want) {
		t.Fatalf("%q: got %v from %d, %v; want %v from %d", prefix, found, first, err, want, number)
	}
}

func TestManyLevels(t *testing.T) {
	contents := sample(6000, 1000)
	l := list(t, filepath.Join(t.TempDir(), "l"), contents)
	defer func() { check(t, l.Close()) }()
	level, _, err := l.block(l.root)
	check(t, err)
	if level < 3 {
		t.Fatalf("only %d levels", level+1)
	}
	objects, size := l.Totals()
	if objects != 6000 || size != 1000*6000*5999/2 || l.Remark() != 7 {
		t.Errorf("%d objects of %d bytes, remark %d", objects, size, l.Remark())
	}
	for i, c := range contents {
		found, first, err := l.Find(strings.TrimSuffix(c.Key, "pdf"))
		if err != nil || len(found) != 1 || found[0] != c || first != int64(i) {
			t.Fatalf("object %d: %v from %d, %v", i, found, first, err)
		}
	}
	got, err := read(l)
	if err != nil || !slices.Equal(got, contents) {
		t.Errorf("%d objects are read back, %v", len(got), err)
	}
}

// A stored format: this file changes only together with version.
func TestGolden(t *testing.T) {
	const golden = "testdata/listing-v1.golden"
	path := filepath.Join(t.TempDir(), "l")
	contents := append(sample(5, 0), pipeline.Content{Key: "a.b_1.false"}, pipeline.Content{Key: "tenant/a_2.", VersionID: "null", Size: 3})
	check(t, list(t, path, contents).Close())
	got, err := os.ReadFile(path)
	check(t, err)
	if *update {
		check(t, os.WriteFile(golden, got, 0o600))
	}
	want, err := os.ReadFile(golden)
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Objects that do not come in order, or that no bucket has, are refused.
func TestRefuses(t *testing.T) {
	for _, keys := range [][]string{{"a", "a"}, {"b", "a"}, {"", ""}, {"a/b", "a.b"}} {
		w := create(filepath.Join(t.TempDir(), "l"), of)
		check(t, w.add(pipeline.Content{Key: keys[0]}))
		if err := w.add(pipeline.Content{Key: keys[1]}); !errors.Is(err, ErrTwice) {
			t.Errorf("%q: %v", keys, err)
		}
	}
	for _, c := range []pipeline.Content{{Key: strings.Repeat("x", maxText+1)}, {Size: -1}, {ETag: strings.Repeat("x", maxText+1)}} {
		if err := create(filepath.Join(t.TempDir(), "l"), of).add(c); err == nil || strings.Contains(err.Error(), "xx") {
			t.Errorf("got %v", err)
		}
	}
}

func TestOtherLocation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	check(t, list(t, path, sample(3, 0)).Close())
	if _, err := Open(path, Fingerprint{}); !errors.Is(err, ErrOther) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(path+"x", of); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Whatever byte is damaged, the listing is refused or tells what it told before.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	contents := sample(40, 1500)
	check(t, list(t, path, contents).Close())
	whole, err := os.ReadFile(path)
	check(t, err)
	refused, tried := 0, 0
	for at := 0; at < len(whole); at++ {
		if at%23 > 0 && at > 200 && at < len(whole)-200 {
			continue // long keys: most bytes are as good as their neighbours
		}
		tried++
		for _, spoilt := range [][]byte{flipped(whole, at), whole[:at]} {
			if !sound(t, spoilt, contents) {
				refused++
			}
		}
	}
	if refused < 2*tried*9/10 { // the walk over all passes by what lies in the blocks above the leaves
		t.Errorf("only %d of %d damages were noticed", refused, 2*tried)
	}
}

func flipped(p []byte, at int) []byte {
	p = bytes.Clone(p)
	p[at] ^= 0x10
	return p
}

// memory is a file in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func openBytes(p []byte) (*Listing, error) {
	l := &Listing{file: memory{bytes.NewReader(p)}, blocksEnd: int64(len(p)) - trailerBytes}
	return l, l.begin(of)
}

// sound tells whether a listing is read without an error; then it must be right.
func sound(t *testing.T, p []byte, want []pipeline.Content) bool {
	t.Helper()
	l, err := openBytes(p)
	if err != nil {
		mustBeDamage(t, err)
		return false
	}
	ok := true
	got, err := read(l)
	if err != nil {
		mustBeDamage(t, err)
		ok = false
	} else if !slices.Equal(got, want) {
		t.Fatal("a damaged listing tells something else")
	}
	for _, i := range []int{0, len(want) / 2, len(want) - 1} {
		found, first, err := l.Find(want[i].Key)
		if err != nil {
			mustBeDamage(t, err)
			ok = false
		} else if len(found) != 1 || found[0] != want[i] || first != int64(i) {
			t.Fatal("a damaged listing finds something else")
		}
	}
	return ok
}

func mustBeDamage(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOther) {
		t.Fatalf("got %v", err)
	}
}

// A listing has its name only when it is whole: each step fails in turn.
func TestCommitIsWholeOrNothing(t *testing.T) {
	broken := errors.New("broken")
	for n := 1; ; n++ {
		path := filepath.Join(t.TempDir(), "l")
		passed := 0
		remove := faultpoint.Set(func(string) error {
			if passed++; passed == n {
				return broken
			}
			return nil
		})
		w := create(path, of)
		var err error
		for _, c := range sample(2000, 1000) { // several writes
			err = errors.Join(err, w.add(c))
		}
		err = errors.Join(err, w.commit())
		remove()
		if passed < n {
			check(t, err)
			if n < 6 {
				t.Errorf("only %d steps", n-1)
			}
			return
		}
		if !errors.Is(err, broken) {
			t.Fatalf("step %d failed, Commit said %v", n, err)
		}
		l, err := Open(path, of)
		if err == nil {
			got, err := read(l)
			check(t, errors.Join(err, l.Close()))
			if len(got) != 2000 {
				t.Fatalf("step %d failed and left %d objects under the name", n, len(got))
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("step %d failed and left %v", n, err)
		}
	}
}

// Memory does not grow with the number of objects.
func TestMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	w := create(path, of)
	var c pipeline.Content
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most := heap(), int64(0)
	for i := range 500_000 {
		c.Key = fmt.Sprintf("%08x-0000-4000-8000-000000000000_1.jpeg", i)
		check(t, w.add(c))
		if i%100_000 == 99_999 {
			most = max(most, heap()-before)
		}
	}
	check(t, w.commit())
	l, err := Open(path, of)
	check(t, err)
	defer func() { check(t, l.Close()) }()
	found, _, err := l.Find("0007a11f-0000-4000-8000-000000000000_1.")
	if err != nil || len(found) != 1 {
		t.Errorf("%d found, %v", len(found), err)
	}
	if most = max(most, heap()-before); most > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", most)
	}
}

func BenchmarkFind(b *testing.B) {
	const n = 1_000_000
	w := create(filepath.Join(b.TempDir(), "l"), of)
	for i := range n {
		check(b, w.add(pipeline.Content{Key: fmt.Sprintf("%08x-0000-4000-8000-000000000000_1.jpeg", i), ETag: `"d41d8cd98f00b204e9800998ecf8427e"`, Size: 1000}))
	}
	check(b, w.commit())
	l, err := Open(w.path, of)
	check(b, err)
	defer func() { check(b, l.Close()) }()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919*31) % n
		found, first, err := l.Find(fmt.Sprintf("%08x-0000-4000-8000-000000000000_1.", i))
		if err != nil || len(found) != 1 || first != int64(i) {
			b.Fatal(len(found), first, err)
		}
	}
}
