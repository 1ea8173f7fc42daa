package audit

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// Log is what one process appends to. Its methods may be called from any
// goroutine.
type Log struct {
	path    string
	process string

	mu   sync.Mutex
	head Head // as far as the log was read
}

// New returns the log at path for a process. It does no I/O.
func New(path string) *Log {
	return &Log{path: path, process: rand.Text(), head: Head{SHA256: Origin}}
}

// Append adds an entry, and returns when it is durable. If the log is broken, it is
// left as it is: see Read. Other errors are those of a disk.
func (l *Log) Append(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return durable.Failure("write", l.path, l.append(&e))
}

func (l *Log) append(e *Entry) error {
	dir := filepath.Dir(l.path)
	if err := durable.MkdirAll(dir); err != nil {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // and unlock; nothing was written through it
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	if info, err := file.Stat(); err != nil {
		return err
	} else if info.Size() < l.head.bytes {
		return broken(l.path, l.head.Entries, "is gone")
	}
	head, torn, err := follow(l.path, file, l.head, func(*Entry) error { return nil })
	if err != nil {
		return err
	}
	l.head = head
	e.Format, e.Seq, e.Prev, e.Process = format, head.Entries+1, head.SHA256, l.process
	e.Time = time.Now().UTC().Truncate(time.Millisecond)
	if len(torn) > 0 {
		sum := sha256.Sum256(torn)
		e.Torn = &Torn{Bytes: int64(len(torn)), SHA256: hex.EncodeToString(sum[:])}
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if len(line) > mostLine {
		return errLong // nobody would read it again
	}
	// Over what is torn, so that nothing is cut off before the line that tells of it.
	line = append(line, '\n')
	if err := durable.WriteAt(l.path, head.bytes, line); err != nil {
		return err
	}
	if err := os.Truncate(l.path, head.bytes+int64(len(line))); err != nil {
		return err
	}
	if err := durable.Sync(l.path); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// Snapshot is what a log held at a moment, as far as it was whole.
type Snapshot struct {
	Head
	Lines []Line // of each entry
	data  []byte
}

// Line is an entry of a snapshot.
type Line struct {
	Event  Event
	Verb   string
	Exit   int // of EventEnd
	SHA256 string
	end    int64
}

// Take returns what the log at path holds now, once every line of it chains. Errors
// are those of Read.
func Take(path string) (*Snapshot, error) {
	s := &Snapshot{Head: Head{SHA256: Origin}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, durable.Failure("read", path, err)
	}
	s.Head, _, err = follow(path, bytes.NewReader(data), s.Head, func(e *Entry) error {
		line := Line{Event: e.Event, Verb: e.Verb, SHA256: e.sum, end: e.end}
		if e.End != nil {
			line.Exit = e.End.Exit
		}
		s.Lines = append(s.Lines, line)
		return nil
	})
	s.data = data[:s.bytes]
	return s, err
}

// After returns what the log holds behind its first so many entries.
func (s *Snapshot) After(entries int) []byte {
	if entries == 0 {
		return s.data
	}
	return s.data[s.Lines[entries-1].end:]
}

// Holds tells whether text is whole lines of the log of which the last is entry n,
// and returns the number of the first.
func (s *Snapshot) Holds(text []byte, n int) (first int, holds bool) {
	if n < 1 || n > len(s.Lines) || len(text) == 0 {
		return 0, false
	}
	end := s.Lines[n-1].end
	from := end - int64(len(text))
	if from < 0 || !bytes.Equal(s.data[from:end], text) {
		return 0, false
	}
	first = 1 + sort.Search(n, func(i int) bool { return s.Lines[i].end > from })
	return first, from == 0 || s.Lines[max(0, first-2)].end == from
}
