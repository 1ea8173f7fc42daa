package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

// chunks returns bytes in reads of changing size.
type chunks struct {
	rest []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	c.size = c.size*7%1031 + 1
	n := copy(p[:min(len(p), c.size)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// readLines reads all lines; of a long one it puts the parts together.
func readLines(t *testing.T, text []byte, size, longest int) (lines []string, offsets []int64) {
	t.Helper()
	turn := make(chan struct{}, 1)
	l := lineReader{turn: turn, longest: longest, buf: make([]byte, bufferBytes+canon.Room)}
	l.reset(&chunks{bytes.Clone(text), size}, 0)
	for {
		line, long, err := l.next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if long != (len(line) == 0 && long) {
			t.Fatal("a long line is returned")
		}
		var b strings.Builder
		b.Write(line)
		for last := !long; !last; {
			var part []byte
			if part, last, err = l.part(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.Write(part)
		}
		whole := b.String()
		if long != (len(whole) > longest) {
			t.Fatalf("a line of %d bytes, long: %v", len(whole), long)
		}
		lines, offsets = append(lines, whole), append(offsets, l.offset)
	}
	l.release()
	if len(turn) > 0 {
		t.Fatal("the turn is kept")
	}
	return lines, offsets
}

func checkLines(t *testing.T, text []byte, size, longest int) {
	t.Helper()
	want := strings.SplitAfter(string(text), "\n")
	if want[len(want)-1] == "" {
		want = want[:len(want)-1]
	}
	got, offsets := readLines(t, text, size, longest)
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d", len(got), len(want))
	}
	at := int64(0)
	for i := range want {
		at += int64(len(want[i]))
		if got[i] != strings.TrimSuffix(want[i], "\n") || offsets[i] != at {
			t.Fatalf("line %d differs, or ends at %d instead of %d", i, offsets[i], at)
		}
	}
}

func TestLines(t *testing.T) {
	const longest = 3 * bufferBytes
	for _, sizes := range [][]int{
		{},
		{0},
		{1},
		{0, 0, 5},
		{readBytes - 1, readBytes, readBytes + 1, 3},
		{bufferBytes, 10, bufferBytes + 1, 10},
		{longest - 1, longest, 20, longest + 1, 30, longest + bufferBytes, 0, 40},
		{5 * longest},
		{longest + 1, longest + 1, longest + 1},
	} {
		for _, end := range []string{"", "\n"} {
			var lines []string
			for i, n := range sizes {
				lines = append(lines, strings.Repeat(fmt.Sprint(i), n))
			}
			text := []byte(strings.Join(lines, "\n") + end)
			for _, size := range []int{1, 400} {
				checkLines(t, text, size, longest)
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\n\nb"), 3, 5)
	f.Add([]byte("\n"), 1, 0)
	f.Fuzz(func(t *testing.T, text []byte, size, longest int) {
		checkLines(t, text, max(1, size%2000), max(0, longest%100))
	})
}

func TestLineReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	l := lineReader{turn: make(chan struct{}, 1), longest: 100, buf: make([]byte, bufferBytes+canon.Room)}
	l.reset(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), 0)
	if line, _, err := l.next(t.Context()); string(line) != "a" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	if _, _, err := l.next(t.Context()); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	// Another worker has the turn.
	l = lineReader{turn: make(chan struct{}, 1), longest: 10 * bufferBytes, buf: make([]byte, bufferBytes+canon.Room)}
	l.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.reset(strings.NewReader(strings.Repeat("x", 2*bufferBytes)), 0)
	if _, _, err := l.next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// scanLine reads one line as the worker does, with little memory.
func scanLine(t *testing.T, line []byte, longest int) (r resource, long bool) {
	t.Helper()
	s := newScanner(&healthLake)
	l := lineReader{turn: make(chan struct{}, 1), longest: longest, buf: make([]byte, bufferBytes+canon.Room)}
	l.reset(&chunks{bytes.Clone(line), 500}, 0)
	text, long, err := l.next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !long {
		s.scan(text, &r)
		return r, false
	}
	path := filepath.Join(t.TempDir(), "long")
	if err := s.scanLong(t.Context(), &l, newLongText(path), &r); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Error("the file is left")
	}
	return r, true
}

// TestLongLine: a Binary that does not fit memory has the digests that it would
// have if it did.
func TestLongLine(t *testing.T) {
	content := strings.Repeat("QUJD/+4x", 3*spoolBytes/8) + "QQ=="
	escaped := strings.ReplaceAll(content, "/", `\/`)
	const longest = stringBytes
	for name, line := range map[string]string{
		"data last":   `{"resourceType":"Binary","id":"b","contentType":"a\/b","data":"` + content + `"}`,
		"data first":  `{"data":"` + escaped + `","securityContext":{"reference":"P/1"},"meta":{"security":[{"code":"R"}]},"id":"b","contentType":"a/b\"","resourceType":"Binary"}` + "\r\n",
		"deep":        `{"resourceType":"DocumentReference","id":"b","content":[{"attachment":{"z":1.50,"data":"` + content + `","a":"` + strings.Repeat("x", 1000) + `"}}]}`,
		"marked":      `{"resourceType":"Binary","id":"b","extension":[{"url":` + cm + `}],"data":"` + content + `"}`,
		"short parts": `{"resourceType":"Bundle","id":"b","entry":[` + strings.Repeat(`"`+strings.Repeat("é\\n", 100)+`",`, 1000) + `1]}`,
	} {
		r, long := scanLine(t, []byte(line), longest)
		if !long || r.reason != pipeline.NoReason || string(r.typ) == "" || string(r.id) != "b" {
			t.Errorf("%s: long %v, %v, %s/%s", name, long, r.reason, r.typ, r.id)
		}
		var d digest.Digester
		if sums, _ := d.Resource([]byte(line)); r.sums != sums {
			t.Errorf("%s: other digests", name)
		}
		if r.marked != (name == "marked") || r.marked && r.bare.Content == r.sums.Content {
			t.Errorf("%s: marked %v", name, r.marked)
		}
	}
	for name, line := range map[string]string{
		"two long strings": `{"resourceType":"Binary","id":"b","data":"` + content + `","x":"` + content + `"}`,
		"no base64":        `{"resourceType":"Binary","id":"b","data":"` + strings.Repeat("a b", spoolBytes) + `"}`,
		"escapes":          `{"resourceType":"Binary","id":"b","data":"` + strings.Repeat(`\u0041`, spoolBytes) + `"}`,
		"unended":          `{"resourceType":"Binary","id":"b","data":"` + content,
		"in meta":          `{"resourceType":"Binary","id":"b","meta":{"x":"` + content + `"}}`,
	} {
		if r, _ := scanLine(t, []byte(line), longest); r.reason != pipeline.TooLarge || string(r.typ) != "Binary" || string(r.id) != "b" {
			t.Errorf("%s: %v of %s/%s", name, r.reason, r.typ, r.id)
		}
	}
	r, _ := scanLine(t, []byte(`{"resourceType":"Binary","id":"b","data":"`+content+`"`), longest)
	if r.reason != pipeline.NotJSON {
		t.Errorf("cut off behind the content: %v", r.reason)
	}
}
