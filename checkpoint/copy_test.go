package checkpoint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// TestOpenCopy: copies that are made while another process commits are each a commit,
// whole, and none older than the one before.
func TestOpenCopy(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	s := open(t, path)
	const keys = 500 // on many pages
	commit := func(n int) error {
		var changes []output.Change
		for k := range keys {
			value := fmt.Appendf(nil, "%09d", n)
			changes = append(changes, output.Change{Bucket: "b", Key: fmt.Sprint(k), Value: append(value, make([]byte, n*k%97)...)})
		}
		return s.Commit(changes)
	}
	if err := commit(0); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; !stop.Load(); n++ {
			if err := commit(n); err != nil {
				t.Error(err)
				break
			}
		}
	}()
	last := ""
	for copies := 0; copies < 30 || last < "000000005"; {
		c, err := checkpoint.OpenCopy(path)
		if pipeline.KindOf(err) == pipeline.KindClaimed {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		copies++
		values, n := map[string]bool{}, 0
		err = c.Each("b", func(_ string, value []byte) error {
			values[string(value[:9])] = true
			n++
			return nil
		})
		if err != nil || len(values) != 1 || n != keys {
			t.Fatalf("%d keys of %d commits, %v", n, len(values), err)
		}
		for value := range values {
			if value < last {
				t.Errorf("commit %s after %s", value, last)
			}
			last = value
		}
		if string(c.Claim()) != string(s.Claim()) {
			t.Error("another run")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	<-done
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := checkpoint.OpenCopy(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("a copy of nothing")
	}
}
