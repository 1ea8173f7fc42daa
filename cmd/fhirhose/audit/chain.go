package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// ErrBroken is that a log is not as it was written: a line was changed, put in or
// taken out.
var ErrBroken = errors.New("the audit log is not as it was written")

// Origin is what the first line has for the line before it.
var Origin = strings.Repeat("0", 2*sha256.Size)

// mostLine bounds a line, in bytes.
const mostLine = 4 << 20

// Head is the end of a log. It proves every line before it.
type Head struct {
	Entries int64     `json:"entries"`
	SHA256  string    `json:"sha256"` // of the last line, without its LF; Origin of an empty log
	Time    time.Time `json:"time,omitzero"`
	Torn    int64     `json:"torn_bytes,omitempty"` // what a killed process left behind the last line

	bytes int64 // without what is torn
}

// Read reads the log at path, hands each entry to f, in order, and returns the head
// once every line chains; of an absent log it is that of an empty one. It returns
// ErrBroken within a pipeline.Error that names the line, of KindFatal.
func Read(path string, f func(*Entry) error) (Head, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Head{SHA256: Origin}, nil
	}
	if err != nil {
		return Head{}, durable.Failure("read", path, err)
	}
	defer func() { _ = file.Close() }()
	head, _, err := follow(path, file, Head{SHA256: Origin}, f)
	return head, err
}

// follow reads on from a head, and returns the new one and what is torn behind it.
func follow(path string, file io.ReaderAt, head Head, f func(*Entry) error) (Head, []byte, error) {
	lines := newLines(file, head.bytes)
	for {
		line, err := lines.next()
		switch {
		case err != nil && !errors.Is(err, errLong):
			return head, nil, durable.Failure("read", path, err)
		case err == nil && len(line) == 0:
			head.Torn = 0
			return head, nil, nil
		}
		whole, _ := bytes.CutSuffix(line, []byte("\n"))
		// A power cut leaves a line without its end, or one in which blocks that
		// were not written yet are read as zeros. JSON holds neither.
		if last := lines.atEnd(); err == nil && last && (len(whole) == len(line) || bytes.IndexByte(whole, 0) >= 0) {
			head.Torn = int64(len(line))
			return head, bytes.Clone(line), nil
		}
		entry, why := head.check(whole, err)
		if why != "" {
			return head, nil, broken(path, head.Entries+1, why)
		}
		sum := sha256.Sum256(whole)
		head.Entries, head.SHA256, head.Time = entry.Seq, hex.EncodeToString(sum[:]), entry.Time
		head.bytes += int64(len(line))
		entry.line, entry.sum, entry.end = whole, head.SHA256, head.bytes
		if err := f(entry); err != nil {
			return head, nil, err
		}
	}
}

// check tells why a line cannot follow, or "".
func (h *Head) check(line []byte, err error) (*Entry, string) {
	e := new(Entry)
	switch {
	case err != nil:
		return nil, err.Error()
	case json.Unmarshal(line, e) != nil:
		return nil, "is no entry"
	case e.Format != format:
		return nil, fmt.Sprintf("has format version %d, this release knows %d", e.Format, format)
	case e.Seq != h.Entries+1:
		return nil, fmt.Sprintf("has number %d", e.Seq)
	case e.Prev != h.SHA256:
		return nil, "does not hold the SHA-256 of the line before it"
	}
	return e, ""
}

func broken(path string, line int64, why string) error {
	return &pipeline.Error{
		Op: "read audit log", Object: path, Record: line, Kind: pipeline.KindFatal,
		Err:  fmt.Errorf("%w: line %d %s", ErrBroken, line, why),
		Hint: "find out who changed it, and compare it with its copies in the sink (_fhirhose/audit); keep it under another name, and a new log begins",
	}
}

var errLong = errors.New("is longer than any entry")

// lines reads a file line by line.
type lines struct {
	file   io.ReaderAt
	offset int64 // of what is read next
	buf    []byte
	used   int // of buf
	eof    bool
}

func newLines(file io.ReaderAt, offset int64) *lines { return &lines{file: file, offset: offset} }

// next returns the next line with its LF, without one at the end of the file, and
// nothing after it. It is valid until the next call.
func (l *lines) next() ([]byte, error) {
	l.buf = l.buf[l.used:]
	l.used = 0
	for searched := 0; ; {
		if i := bytes.IndexByte(l.buf[searched:], '\n'); i >= 0 {
			l.used = searched + i + 1
			return l.buf[:l.used], nil
		}
		searched = len(l.buf)
		switch {
		case l.eof:
			l.used = len(l.buf)
			return l.buf, nil
		case len(l.buf) > mostLine:
			return nil, errLong
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

func (l *lines) fill() error {
	chunk := make([]byte, 64<<10)
	n, err := l.file.ReadAt(chunk, l.offset)
	l.offset += int64(n)
	l.buf = append(l.buf, chunk[:n]...)
	if errors.Is(err, io.EOF) {
		l.eof, err = true, nil
	}
	return err
}

// atEnd tells whether nothing comes after the line that next has returned.
func (l *lines) atEnd() bool {
	if !l.eof && l.used == len(l.buf) {
		if err := l.fill(); err != nil {
			return false // the next call meets it again
		}
	}
	return l.eof && l.used == len(l.buf)
}
