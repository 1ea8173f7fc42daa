package stub

import (
	"errors"
	"io"
	"testing"
)

// TestFollow: stubs come out as they are committed, from any offset that a reader
// has stood at.
func TestFollow(t *testing.T) {
	l, err := OpenLog(t.TempDir(), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	commit := func(last bool) {
		end, durably, err := l.Sync()
		if err := errors.Join(err, durably()); err != nil {
			t.Fatal(err)
		}
		l.Commit(end, last)
	}
	const n = 100
	go func() {
		for i := range n {
			frame := Append(nil, &Stub{Record: int64(i), ID: []byte("a"), Version: 1, Status: 1, Raw: make([]byte, 5000)})
			if err := l.Append(frame); err != nil {
				t.Error(err)
			}
			if i%7 == 0 {
				commit(false)
			}
		}
		commit(true)
	}()
	var s Stub
	offsets := []int64{0}
	r := l.Stubs(t.Context(), 0)
	for i := range n {
		if err := r.Next(&s); err != nil || s.Record != int64(i) {
			t.Fatal(i, s.Record, err)
		}
		offsets = append(offsets, r.Offset())
	}
	if err := r.Next(&s); !errors.Is(err, io.EOF) || r.Close() != nil {
		t.Fatal(err)
	}
	for i, at := range offsets[:n] {
		r := l.Stubs(t.Context(), at)
		if err := r.Next(&s); err != nil || s.Record != int64(i) || r.Close() != nil {
			t.Fatal(i, s.Record, err)
		}
	}
}
