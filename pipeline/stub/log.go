package stub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

const (
	// logFileBytes is after how many bytes a log goes on in its next file.
	logFileBytes = 64 << 20
	// heldBytes is how much is gathered before it is written.
	heldBytes = 256 << 10
	logPrefix = "stubs-"
)

// Log is the road from the record pipeline to the binary pipeline: an endless
// file in `state`, in pieces of 64 MiB, of which the front is removed. One
// goroutine appends frames and makes them durable; the checkpoint says how far
// they are committed; a follower reads up to there, waits for more, and never
// holds up the writer. Offsets count bytes from the job's beginning.
type Log struct {
	dir   string
	piece int64 // bytes after which the log goes on in its next file
	held  []byte
	end   int64   // what is appended, held bytes included
	dirty []int64 // files written since the last Sync

	mu        sync.Mutex
	files     []int64 // offsets at which files begin, ascending
	committed int64
	complete  bool
	news      chan struct{} // closed, and replaced, when more is committed
}

// OpenLog opens the log in dir as the checkpoint knows it: committed bytes, and
// whether these are all that will ever come. What lies beyond is cut off.
func OpenLog(dir string, committed int64, complete bool) (*Log, error) {
	l := &Log{dir: dir, piece: logFileBytes, end: committed, committed: committed, complete: complete, news: make(chan struct{})}
	if err := durable.MkdirAll(dir); err != nil {
		return nil, durable.Failure("make directory", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, durable.Failure("read directory", dir, err)
	}
	for _, entry := range entries {
		begin, err := strconv.ParseInt(strings.TrimPrefix(entry.Name(), logPrefix), 10, 64)
		if err == nil && strings.HasPrefix(entry.Name(), logPrefix) {
			l.files = append(l.files, begin)
		}
	}
	slices.Sort(l.files)
	for n := len(l.files); n > 0 && l.files[n-1] >= committed; n-- {
		if err := os.Remove(l.path(l.files[n-1])); err != nil {
			return nil, durable.Failure("remove stubs", l.path(l.files[n-1]), err)
		}
		l.files = l.files[:n-1]
	}
	return l, l.cut()
}

// cut takes the last file back to what is committed, and proves that nothing
// between the files is missing.
func (l *Log) cut() error {
	for i, begin := range l.files {
		info, err := os.Stat(l.path(begin))
		if err != nil {
			return durable.Failure("open stubs", l.path(begin), err)
		}
		end, want := begin+info.Size(), l.committed
		if i < len(l.files)-1 {
			want = l.files[i+1]
		}
		if end < want || end > want && i < len(l.files)-1 {
			return l.gap(begin)
		}
		if end > want {
			if err := os.Truncate(l.path(begin), want-begin); err != nil {
				return durable.Failure("cut off stubs", l.path(begin), err)
			}
		}
	}
	return nil
}

func (l *Log) gap(at int64) error {
	return &pipeline.Error{
		Op: "read stubs", Object: l.path(at), Kind: pipeline.KindCheckpoint,
		Err:  errors.New("bytes that the checkpoint knows are missing"),
		Hint: "restore `state` from a copy, or begin again with `fhirhose move --restart`",
	}
}

func (l *Log) path(begin int64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%s%018d", logPrefix, begin))
}

// Append adds whole frames at the end.
func (l *Log) Append(frames []byte) error {
	l.held = append(l.held, frames...)
	l.end += int64(len(frames))
	if len(l.held) < heldBytes {
		return nil
	}
	return l.flush()
}

func (l *Log) flush() error {
	if len(l.held) == 0 {
		return nil
	}
	at := l.end - int64(len(l.held))
	begin := l.fileAt(at)
	if err := durable.WriteAt(l.path(begin), at-begin, l.held); err != nil {
		return durable.Failure("write stubs", l.path(begin), err)
	}
	if !slices.Contains(l.dirty, begin) {
		l.dirty = append(l.dirty, begin)
	}
	l.held = l.held[:0]
	return nil
}

// fileAt returns where the file begins that takes bytes from offset at on.
func (l *Log) fileAt(at int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.files); n > 0 && at-l.files[n-1] < l.piece {
		return l.files[n-1]
	}
	l.files = append(l.files, at)
	return at
}

// Sync writes what is held, and returns the log's end and the function that makes
// everything up to there durable. That may run beside later Appends.
func (l *Log) Sync() (end int64, durably func() error, err error) {
	if err := l.flush(); err != nil {
		return 0, nil, err
	}
	dirty := l.dirty
	l.dirty = nil
	return l.end, func() error {
		for _, begin := range dirty {
			if err := durable.Sync(l.path(begin)); err != nil {
				return durable.Failure("sync stubs", l.path(begin), err)
			}
		}
		if len(dirty) == 0 {
			return nil
		}
		return durable.Failure("sync directory", l.dir, durable.SyncDir(l.dir))
	}, nil
}

// Commit tells followers that the checkpoint knows everything before offset to.
// Nothing comes after it if complete.
func (l *Log) Commit(to int64, complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed, l.complete = to, complete
	close(l.news)
	l.news = make(chan struct{})
}

// Discard removes the files that lie wholly before offset before.
func (l *Log) Discard(before int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.files) > 1 && l.files[1] <= before {
		path := l.path(l.files[0])
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return durable.Failure("remove stubs", path, err)
		}
		l.files = l.files[1:]
	}
	return nil
}

// Size returns how many committed bytes lie in `state`: what followers have not
// done with, and up to 64 MiB that they have.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.files) == 0 {
		return 0
	}
	return max(0, l.committed-l.files[0])
}

// Remove removes the whole log: the job is finished.
func (l *Log) Remove() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = nil
	return durable.Failure("remove stubs", l.dir, os.RemoveAll(l.dir))
}

// Follow returns a reader of the committed bytes from an offset on. Its Read
// waits for more, and returns io.EOF when nothing can come any more.
func (l *Log) Follow(ctx context.Context, from int64) io.ReadCloser {
	return &follower{ctx: ctx, log: l, at: from}
}

type follower struct {
	ctx   context.Context
	log   *Log
	at    int64
	begin int64 // of the open file
	file  *os.File
}

func (f *follower) Read(p []byte) (int, error) {
	end, err := f.log.wait(f.ctx, f.at)
	if err != nil {
		return 0, err
	}
	if err := f.open(); err != nil {
		return 0, err
	}
	n, err := f.file.ReadAt(p[:min(int64(len(p)), end-f.at)], f.at-f.begin)
	f.at += int64(n)
	if n > 0 {
		return n, nil // an end of file is that of a piece
	}
	return 0, cmp.Or(durable.Failure("read stubs", f.file.Name(), err), f.log.gap(f.begin))
}

// wait returns the end of what is committed, once that is beyond offset at.
func (l *Log) wait(ctx context.Context, at int64) (end int64, err error) {
	for {
		l.mu.Lock()
		committed, complete, news := l.committed, l.complete, l.news
		l.mu.Unlock()
		switch {
		case at < committed:
			return committed, nil
		case complete:
			return 0, io.EOF
		}
		select {
		case <-news:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// open opens the file that holds the next byte.
func (f *follower) open() error {
	f.log.mu.Lock()
	i, exact := slices.BinarySearch(f.log.files, f.at)
	if !exact {
		i--
	}
	var begin int64 = -1
	if i >= 0 {
		begin = f.log.files[i]
	}
	f.log.mu.Unlock()
	if begin < 0 {
		return f.log.gap(f.at)
	}
	if f.file != nil && begin == f.begin {
		return nil
	}
	if err := f.Close(); err != nil {
		return err
	}
	file, err := os.Open(f.log.path(begin))
	if err != nil {
		return durable.Failure("open stubs", f.log.path(begin), err)
	}
	f.file, f.begin = file, begin
	return nil
}

// Close gives up the descriptor.
func (f *follower) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
