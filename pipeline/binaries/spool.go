package binaries

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// spool is the local room of large contents: a file for each, named by its row's
// number, until what was made of it is committed.
type spool struct {
	dir   string
	size  int64
	held  atomic.Int64
	freed chan struct{}
}

const stagedPrefix = "content-"

func newSpool(dir string, size int64) *spool {
	return &spool{dir: dir, size: size, freed: make(chan struct{}, 1)}
}

func (s *spool) path(row int64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%s%d", stagedPrefix, row))
}

// take waits until n bytes are free. One goroutine takes, in the order of rows.
func (s *spool) take(ctx context.Context, n int64) error {
	if n > s.size {
		return &pipeline.Error{
			Op: "stage content of a Binary", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("an object of %d bytes is larger than the spool of %d", n, s.size),
			Hint: fmt.Sprintf("set limits.spool at least %d MiB higher", (n-s.size)>>20+1),
		}
	}
	for s.held.Load()+n > s.size {
		select {
		case <-s.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.held.Add(n)
	return nil
}

// staged is one content in the spool.
type staged struct{ row, bytes int64 }

// discard removes contents whose lines are committed.
func (s *spool) discard(contents []staged) error {
	for _, c := range contents {
		if err := os.Remove(s.path(c.row)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return durable.Failure("remove staged content", s.path(c.row), err)
		}
		s.held.Add(-c.bytes)
		select {
		case s.freed <- struct{}{}:
		default:
		}
	}
	return nil
}

// sweep removes what an earlier process left of rows before this one, and
// everything if no row is to come.
func (s *spool) sweep(before int64) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return durable.Failure("read directory", s.dir, err)
	}
	for _, entry := range entries {
		number, ok := strings.CutPrefix(entry.Name(), stagedPrefix)
		number, _, _ = strings.Cut(number, ".") // Stage may leave more beside it
		row, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || row >= before {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, entry.Name())); err != nil {
			return durable.Failure("remove staged content", s.path(row), err)
		}
	}
	return nil
}

// whole tells whether row's content lies there with so many bytes.
func (s *spool) whole(row, size int64) bool {
	info, err := os.Stat(s.path(row))
	return err == nil && info.Size() == size
}

// RemoveState removes what the pipeline keeps in a job's state directory, once
// the job is finished.
func RemoveState(state string) error {
	dir := filepath.Join(state, Name)
	return durable.Failure("remove", dir, os.RemoveAll(dir))
}
