package stub

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
)

// TestLog proves that a follower reads every committed byte once and nothing
// else, whatever is appended, committed, discarded and lost in a kill.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		open := func(committed int64) *Log {
			l, err := OpenLog(dir, committed, false)
			if err != nil {
				t.Fatal(err)
			}
			l.piece = 100
			return l
		}
		l := open(0)
		var appended, committed []byte
		var discarded int64
		read := func(l *Log, from int64) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // nothing to wait for
			r := l.Follow(ctx, from)
			got, err := io.ReadAll(r)
			if !errors.Is(err, context.Canceled) || r.Close() != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, committed[from:]) {
				t.Fatalf("from %d: %d bytes, want %d", from, len(got), len(committed)-int(from))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				frame := rapid.SliceOfN(rapid.Byte(), 0, 150).Draw(t, "frame")
				appended = append(appended, frame...)
				if err := l.Append(frame); err != nil {
					t.Fatal(err)
				}
			},
			"commit": func(t *rapid.T) {
				end, durably, err := l.Sync()
				if err = errors.Join(err, durably()); err != nil || end != int64(len(appended)) {
					t.Fatal(end, err)
				}
				l.Commit(end, false)
				committed = bytes.Clone(appended)
			},
			"written, not committed": func(t *rapid.T) {
				if err := l.flush(); err != nil {
					t.Fatal(err)
				}
			},
			"kill": func(*rapid.T) {
				appended = bytes.Clone(committed)
				l = open(int64(len(committed)))
			},
			"discard": func(t *rapid.T) {
				discarded = rapid.Int64Range(discarded, int64(len(committed))).Draw(t, "before")
				if err := l.Discard(discarded); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) { read(l, rapid.Int64Range(discarded, int64(len(committed))).Draw(t, "from")) },
		})
	})
}

// TestDiscard: what nobody needs any more takes no room, as soon as that is said,
// and again after a kill between saying and removing.
func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	open := func(committed int64) *Log {
		l, err := OpenLog(dir, committed, false)
		if err != nil {
			t.Fatal(err)
		}
		l.piece = 10
		return l
	}
	l := open(0)
	for range 5 {
		if err := errors.Join(l.Append(make([]byte, 10)), l.flush()); err != nil {
			t.Fatal(err)
		}
	}
	l.Commit(50, false)
	for _, test := range []struct{ before, held int64 }{{0, 50}, {9, 50}, {10, 40}, {39, 20}, {50, 10}} {
		for range 2 {
			if err := l.Discard(test.before); err != nil {
				t.Fatal(err)
			}
			var size int64
			entries, _ := os.ReadDir(dir)
			for _, entry := range entries {
				info, err := entry.Info()
				if err != nil {
					t.Fatal(err)
				}
				size += info.Size()
			}
			if size != test.held || l.Size() != test.held {
				t.Errorf("before %d: %d bytes are there, %d said, want %d", test.before, size, l.Size(), test.held)
			}
			l = open(50)
		}
	}
}

// TestLogWaits: a follower waits for what is committed, and ends with the log.
func TestLogWaits(t *testing.T) {
	l, err := OpenLog(t.TempDir(), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(l.Follow(t.Context(), 0))
		got <- all
	}()
	for _, text := range []string{"one", "", "two"} {
		end, durably, err := l.Sync()
		if err := errors.Join(err, durably(), l.Append([]byte(text))); err != nil {
			t.Fatal(err)
		}
		l.Commit(end, false)
	}
	end, durably, err := l.Sync()
	if err := errors.Join(err, durably()); err != nil {
		t.Fatal(err)
	}
	l.Commit(end, true)
	if all := <-got; string(all) != "onetwo" {
		t.Errorf("read %q", all)
	}
}

// TestLogGap: a log that lost bytes which the checkpoint knows is refused.
func TestLogGap(t *testing.T) {
	dir := t.TempDir()
	l, err := OpenLog(dir, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	l.piece = 10
	for range 3 {
		if err := errors.Join(l.Append(make([]byte, 10)), l.flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(l.path(10), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLog(dir, 30, false); pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}
