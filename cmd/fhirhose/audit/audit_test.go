package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

func note(n int) audit.Entry {
	return audit.Entry{Event: audit.EventNote, Verb: "move", Note: &audit.Note{Key: "n", Value: json.RawMessage(fmt.Sprint(n))}}
}

// written returns a log of n entries, and what it holds.
func written(t *testing.T, n int) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "state", audit.File)
	log := audit.New(path)
	for i := range n {
		if err := log.Append(note(i)); err != nil {
			t.Fatal(err)
		}
	}
	return path, read(t, path)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func every(*audit.Entry) error { return nil }

func verify(t *testing.T, path string) audit.Head {
	t.Helper()
	head, err := audit.Read(path, every)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func TestChain(t *testing.T) {
	path, _ := written(t, 3)
	if head := verify(t, path); head.Entries != 3 || head.Torn != 0 {
		t.Errorf("%+v", head)
	}
	var prev string
	n := int64(0)
	if _, err := audit.Read(path, func(e *audit.Entry) error {
		if n++; e.Seq != n || e.Prev == prev || string(e.Note.Value) != fmt.Sprint(n-1) || time.Since(e.Time) > time.Hour {
			t.Errorf("entry %d: %+v", n, e)
		}
		prev = e.Prev
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	absent := verify(t, filepath.Join(t.TempDir(), audit.File))
	if absent.Entries != 0 || absent.SHA256 != audit.Origin {
		t.Errorf("%+v", absent)
	}
}

// TestTampering: whatever is done to a line but the last one's end, the log is
// broken, by name, and nothing is appended to it.
func TestTampering(t *testing.T) {
	_, whole := written(t, 5)
	lines := bytes.SplitAfter(whole, []byte("\n"))[:5]
	join := func(lines ...[]byte) []byte { return bytes.Join(lines, nil) }
	forms := map[string][]byte{
		"a line taken out":       join(lines[0], lines[1], lines[3], lines[4]),
		"the first taken out":    join(lines[1:]...),
		"two in another order":   join(lines[0], lines[2], lines[1], lines[3], lines[4]),
		"a line twice":           join(lines[0], lines[1], lines[1], lines[2], lines[3], lines[4]),
		"a line put in":          join(lines[0], lines[1], []byte("{}\n"), lines[2], lines[3], lines[4]),
		"an empty line":          join(lines[0], []byte("\n"), lines[1], lines[2], lines[3], lines[4]),
		"zeros in the middle":    join(lines[0], make([]byte, 100), []byte("\n"), lines[1]),
		"no entry at the end":    join(lines[0], []byte("{}\n")),
		"another release":        join(lines[0], bytes.Replace(lines[1], []byte(`"v":1`), []byte(`"v":2`), 1)),
		"the log of another":     join(lines[0], lines[4]),
		"a line of great length": join(lines[0], bytes.Repeat([]byte("x"), 5<<20), lines[1]),
	}
	for i := range whole[:len(whole)-len(lines[4])] { // a changed byte of the last line changes the head
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		forms[fmt.Sprintf("byte %d changed", i)] = changed
	}
	forged := audit.Entry{Format: 1, Seq: 3, Prev: audit.Origin, Event: audit.EventNote, Verb: "move"}
	if line, err := json.Marshal(forged); err != nil {
		t.Fatal(err)
	} else {
		forms["a number left out"] = append(line, '\n') // though it chains
	}
	path := filepath.Join(t.TempDir(), audit.File)
	for name, content := range forms {
		write(t, path, content)
		_, err := audit.Read(path, every)
		if !errors.Is(err, audit.ErrBroken) || pipeline.KindOf(err) != pipeline.KindFatal || pipeline.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		if err := audit.New(path).Append(note(9)); !errors.Is(err, audit.ErrBroken) || !bytes.Equal(read(t, path), content) {
			t.Errorf("%s: appended, %v", name, err)
		}
	}
	last := bytes.Clone(whole)
	last[len(last)-10] ^= 1
	write(t, path, whole)
	before := verify(t, path)
	write(t, path, last)
	if head, err := audit.Read(path, every); err == nil && head.SHA256 == before.SHA256 {
		t.Error("another last line has the same head")
	}
}

// TestTornTail: what a kill or a power cut leaves of the last line is cut off, and
// the next entry tells of it, wherever the line was cut.
func TestTornTail(t *testing.T) {
	_, whole := written(t, 3)
	first := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	path := filepath.Join(t.TempDir(), audit.File)
	check := func(content []byte, torn int64) {
		t.Helper()
		write(t, path, content)
		if head := verify(t, path); head.Torn != torn || head.Entries != 2 {
			t.Fatalf("%d bytes torn: %+v", torn, head)
		}
		if err := audit.New(path).Append(note(7)); err != nil {
			t.Fatal(err)
		}
		var last audit.Entry
		if _, err := audit.Read(path, func(e *audit.Entry) error { last = *e; return nil }); err != nil {
			t.Fatal(err)
		}
		if head := verify(t, path); head.Torn != 0 || head.Entries != 3 {
			t.Fatalf("after it: %+v", head)
		}
		if last.Seq != 3 || string(last.Note.Value) != "7" || last.Torn == nil || last.Torn.Bytes != torn || len(last.Torn.SHA256) != 64 {
			t.Fatalf("%+v", last)
		}
	}
	for end := first + 1; end < len(whole); end++ {
		check(whole[:end], int64(end-first))
	}
	// A power cut: the length is there, the bytes are not.
	zeros := make([]byte, 5000)
	check(append(bytes.Clone(whole[:first]), zeros...), 5000)
	check(append(append(bytes.Clone(whole[:first]), zeros...), whole[len(whole)-20:]...), 5020)
}

// TestCutOffWhileOpen: who takes away what this process has seen is noticed.
func TestCutOffWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), audit.File)
	log := audit.New(path)
	for n := range 3 {
		if err := log.Append(note(n)); err != nil {
			t.Fatal(err)
		}
	}
	content := read(t, path)
	write(t, path, content[:bytes.IndexByte(content, '\n')+1])
	if err := log.Append(note(4)); !errors.Is(err, audit.ErrBroken) {
		t.Error(err)
	}
}

// TestTogether: several processes append to one log.
func TestTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), audit.File)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			log := audit.New(path)
			for n := range 20 {
				if err := log.Append(note(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	processes := map[string]int{}
	if _, err := audit.Read(path, func(e *audit.Entry) error { processes[e.Process]++; return nil }); err != nil {
		t.Fatal(err)
	}
	if head := verify(t, path); head.Entries != 160 || len(processes) != 8 {
		t.Errorf("%+v of %v", head, processes)
	}
}

// TestDurable: an entry is on the disk, and so is the log's name, when Append returns.
func TestDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), audit.File)
	var points []string
	defer faultpoint.Set(func(point string) error { points = append(points, point); return nil })()
	if err := audit.New(path).Append(note(1)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(points, " "); got != "write written fsync syncdir" {
		t.Error(got)
	}
}

// TestTrouble: an entry that could not be written whole leaves a log to which the
// next can be appended.
func TestTrouble(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
		for n := 1; ; n++ {
			path, _ := written(t, 2)
			log, passed := audit.New(path), 0
			remove := faultpoint.Set(func(string) error {
				if passed++; passed == n {
					return fault
				}
				return nil
			})
			err := log.Append(note(2))
			remove()
			if passed < n {
				break
			}
			if err == nil || pipeline.KindOf(err) != pipeline.KindRetryLater {
				t.Errorf("fault %d: %v", n, err)
			}
			if err := log.Append(note(3)); err != nil {
				t.Errorf("after fault %d: %v", n, err)
			}
			if head := verify(t, path); head.Torn != 0 || head.Entries < 3 {
				t.Errorf("after fault %d: %+v", n, head)
			}
		}
	}
}

// TestKilled kills a process that appends, many times: the log always goes on.
func TestKilled(t *testing.T) {
	if path := os.Getenv("AUDIT_TEST_LOG"); path != "" {
		for log := audit.New(path); ; {
			if err := log.Append(note(1)); err != nil {
				panic(err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), audit.File)
	entries := int64(0)
	for round := range 20 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), "AUDIT_TEST_LOG="+path)
		var said bytes.Buffer
		child.Stderr = &said
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(time.Minute); verify(t, path).Entries < entries+int64(1+round%5) && time.Now().Before(until); {
			time.Sleep(time.Millisecond)
		}
		_ = child.Process.Kill()
		_ = child.Wait()
		head := verify(t, path)
		if head.Entries <= entries || strings.Contains(said.String(), "panic") {
			t.Fatalf("round %d: %d entries, %s", round, head.Entries, &said)
		}
		entries = head.Entries
	}
}

func TestSnapshot(t *testing.T) {
	path, whole := written(t, 2)
	write(t, path, append(bytes.Clone(whole), `{"v":1,"se`...))
	s, err := audit.Take(path)
	if err != nil || !bytes.Equal(s.After(0), whole) || s.Entries != 2 || len(s.Lines) != 2 || s.Lines[1].SHA256 != s.SHA256 {
		t.Fatalf("%+v %v", s, err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	if got := s.After(1); !bytes.Equal(got, lines[1]) {
		t.Errorf("behind the first: %q", got)
	}
	f := func(text []byte, n, first int, holds bool) {
		t.Helper()
		if got, is := s.Holds(text, n); is != holds || holds && got != first {
			t.Errorf("%q as lines up to %d: %d %v", text, n, got, is)
		}
	}
	f(whole, 2, 1, true)
	f(lines[0], 1, 1, true)
	f(lines[1], 2, 2, true)
	f(lines[1], 1, 0, false)
	f(lines[0], 2, 0, false)
	f(lines[1][5:], 2, 0, false) // no whole line
	f(whole, 3, 0, false)
	f(whole, 0, 0, false)
	f(nil, 1, 0, false)
	if s, err := audit.Take(filepath.Join(t.TempDir(), audit.File)); err != nil || s.SHA256 != audit.Origin || s.After(0) != nil {
		t.Errorf("of none: %+v, %v", s, err)
	}
}
