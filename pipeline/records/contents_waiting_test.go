package records_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/pipeline/records"
)

// TestWaitingRows: rows that wait for a silent bucket are counted, over a restart
// too, and so are the bytes that they take in `state`: their source lines, and
// little more. Nothing of them stays.
func TestWaitingRows(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newTable(t, 60_000, "a", "ab")
	whole := newContentsJob(t, b, "*")
	all, files := whole.MustRun(t).Status(), recordFiles(whole)
	if all.Binaries.Waiting != 0 || all.Binaries.WaitingBytes != 0 || all.Binaries.Rows == 0 {
		t.Errorf("at the end %+v", all.Binaries)
	}
	j := newContentsJob(t, b, "*")
	for range 2 {
		wait, reached := shut()
		stop, over := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(over)
			<-reached
			for recordFiles(j) < files {
				time.Sleep(time.Millisecond)
			}
			close(stop)
		}()
		m, err := j.with(behind(door{open: wait})).Run(t.Context(), stop)
		if <-over; !errors.Is(err, records.ErrStopped) {
			t.Fatal(err)
		}
		var held int64
		pieces, _ := filepath.Glob(filepath.Join(j.State, "stubs", "*"))
		for _, name := range pieces {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			held += info.Size()
		}
		s := m.Status()
		n := s.Binaries
		if n.Rows != all.Binaries.Rows || n.Waiting == 0 || n.Waiting != n.Rows-n.Written-sumOf(n.Quarantined) || n.WaitingBytes != held {
			t.Errorf("%d bytes in state, %+v, of %d rows", held, n, all.Binaries.Rows)
		}
		if unbalanced := s.Unbalanced(); len(unbalanced) > 0 {
			t.Errorf("a job at work does not balance: %v", unbalanced)
		}
		if read := s.Types["Binary"].BytesRead; held == 0 || held > read+100*s.Types["Binary"].Read {
			t.Errorf("%d bytes in state of %d bytes of rows", held, read)
		}
	}
	if s := j.MustRun(t).Status(); len(s.Unbalanced()) > 0 || s.Binaries.Rows != all.Binaries.Rows || s.Binaries.Waiting != 0 || s.Binaries.WaitingBytes != 0 {
		t.Errorf("at the end %+v", s.Binaries)
	}
}

func sumOf(counts map[string]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}
