package deleting

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// Kept is the file of what a pass has not deleted, in the ledger's order: a line of
// JSON for each, with n, its number, type, id and reason. It is PHI, and absent if
// all was deleted. The tenant is written in hexadecimal: the file system may not tell
// a from A.
func Kept(state, tenant string, pass int) string {
	return filepath.Join(state, "import", hex.EncodeToString([]byte(tenant)), fmt.Sprintf("deletes-%d.ndjson", pass))
}

type keptLine struct {
	N      int64  `json:"n"`
	Type   string `json:"type"`
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

func (d *Deleter) kept(pass int) string { return Kept(d.o.State, d.o.Tenant, pass) }

// long is the file of a large body that is being compared. Such are read one at a
// time.
func (d *Deleter) long() string { return filepath.Join(filepath.Dir(d.kept(1)), "deletes-long.tmp") }

// keep writes what was not deleted of a round behind what the checkpoint knows of
// the file. It is durable on return.
func (d *Deleter) keep(round []*candidate) (size int64, err error) {
	size = d.record.Kept
	var lines []byte
	for _, c := range round {
		if c.outcome == deleted || c.outcome == gone {
			continue
		}
		line, err := json.Marshal(keptLine{c.n, c.Type, c.ID, c.reason()})
		if err != nil {
			return 0, err
		}
		lines = append(append(lines, line...), '\n')
	}
	if len(lines) == 0 {
		return size, nil
	}
	path := d.kept(d.record.Pass)
	err = durable.WriteAt(path, size, lines)
	if err == nil {
		err = durable.Sync(path)
	}
	if err == nil && size == 0 {
		err = durable.SyncDir(filepath.Dir(path))
	}
	return size + int64(len(lines)), durable.Failure("keep what was not deleted in", path, err)
}

func (c *candidate) reason() string {
	if c.outcome == refused {
		return fmt.Sprintf("%s-%d", refused, c.status)
	}
	return string(c.outcome)
}

// cut makes the directory, and removes what a killed run has left there: a large
// body, and lines of the pass that no commit covers.
func (d *Deleter) cut() error {
	path := d.kept(d.record.Pass)
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return durable.Failure("keep what was not deleted in", path, err)
	}
	if err := os.Remove(d.long()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return durable.Failure("remove", d.long(), err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.record.Kept == 0:
	case err != nil:
		return durable.Failure("open", path, err)
	case info.Size() < d.record.Kept:
		return lost(path)
	case d.record.Kept == 0:
		err = os.Remove(path)
	default:
		err = os.Truncate(path, d.record.Kept)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return durable.Failure("cut off", path, err)
	}
	return nil
}

// dropBefore removes the file of the pass before.
func (d *Deleter) dropBefore() error {
	path := d.kept(d.record.Pass - 1)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return durable.Failure("remove", path, err)
	}
	return nil
}

func lost(path string) error {
	return &pipeline.Error{
		Op: "read", Object: path, Kind: pipeline.KindFatal, Err: errors.New("it is not as it was left"),
		Hint: "put back the state directory as it was",
	}
}

// left reads the file of the pass before: only what it holds is tried again.
type left struct {
	file *os.File
	in   *json.Decoder
	next int64 // number of the line that was read last
	path string
}

// openLeft returns nil in a pass about all.
func (d *Deleter) openLeft() (*left, error) {
	if d.record.All {
		return nil, nil
	}
	path := d.kept(d.record.Pass - 1)
	file, err := os.Open(path)
	if err != nil {
		return nil, durable.Failure("open", path, err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != d.record.Tried {
		_ = file.Close()
		return nil, lost(path)
	}
	return &left{file: file, in: json.NewDecoder(bufio.NewReader(file)), next: -1, path: path}, nil
}

// holds tells whether the file has candidate n. It is asked in ascending order, and
// returns io.EOF once the file has none above.
func (l *left) holds(n int64) (bool, error) {
	if l == nil {
		return true, nil
	}
	for l.next < n {
		var line keptLine
		switch err := l.in.Decode(&line); {
		case errors.Is(err, io.EOF):
			return false, io.EOF
		case err != nil || line.N <= l.next:
			return false, lost(l.path)
		}
		l.next = line.N
	}
	return l.next == n, nil
}

func (l *left) close() {
	if l != nil {
		_ = l.file.Close() // it was only read
	}
}
