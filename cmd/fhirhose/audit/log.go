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
// left as it is: see Verify. Other errors are those of a disk.
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

// Snapshot returns what the log at path holds now, as far as it is whole, once
// every line of it chains. Errors are those of Verify.
func Snapshot(path string) (Head, []byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Head{SHA256: Origin}, nil, nil
	}
	if err != nil {
		return Head{}, nil, durable.Failure("read", path, err)
	}
	head, _, err := follow(path, bytes.NewReader(data), Head{SHA256: Origin}, func(*Entry) error { return nil })
	return head, data[:head.bytes], err
}
