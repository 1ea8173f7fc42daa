package split

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"

	"github.com/fhirhose/fhirhose/pipeline"
)

// zip compresses each part as one gzip member.
func zip(t testing.TB, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&out)
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// copied is what a test compares: a batch that outlives the next Next.
type copied struct {
	Lines         []string
	First, Offset int64
	End           Position
	Last          bool
	TooLarge      TooLarge
}

func copyOf(b *Batch) copied {
	c := copied{First: b.First, Offset: b.Offset, End: b.End, Last: b.Last}
	for _, line := range b.Lines {
		c.Lines = append(c.Lines, string(b.Data[line.Start:line.End]))
	}
	if b.TooLarge != nil {
		c.TooLarge = *b.TooLarge
	}
	return c
}

// drain reads every batch, allowing a big buffer only where it is asked for.
func drain(r *Reader) ([]copied, error) {
	var all []copied
	var b Batch
	for {
		err := r.Next(&b, false)
		if errors.Is(err, ErrBig) {
			err = r.Next(&b, true)
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		_ = b.Data[:len(b.Data)+tailBytes] // promised capacity
		all = append(all, copyOf(&b))
	}
}

func TestBatches(t *testing.T) {
	for name, test := range map[string]struct {
		parts []string // gzip members
		want  []string // lines of each batch, joined by |
	}{
		"no byte":                 {nil, nil},
		"gzip of nothing":         {[]string{""}, nil},
		"gzip of nothing, twice":  {[]string{"", ""}, nil},
		"one line":                {[]string{"a\n"}, []string{"a"}},
		"one line without LF":     {[]string{"a"}, []string{"a"}},
		"only a LF":               {[]string{"\n"}, []string{""}},
		"empty line in between":   {[]string{"a\n\nb\n"}, []string{"a||b"}},
		"CR stays":                {[]string{"a\r\nb"}, []string{"a\r|b"}},
		"ends when it reaches 8":  {[]string{"aaa\nbbb\nc\n"}, []string{"aaa|bbb", "c"}},
		"goes on while below 8":   {[]string{"aaa\nbb\nccccc\nd"}, []string{"aaa|bb|ccccc", "d"}},
		"line longer than batch":  {[]string{"aaaaaaaaaaaa\nb\n"}, []string{"aaaaaaaaaaaa", "b"}},
		"line across members":     {[]string{"aa", "", "a\nbbb\nc", "\n"}, []string{"aaa|bbb", "c"}},
		"last batch full, LF":     {[]string{"aaa\nbbb\n"}, []string{"aaa|bbb"}},
		"last batch full, no LF":  {[]string{"aaa\nbbbb"}, []string{"aaa|bbbb"}},
		"longest allowed line":    {[]string{strings.Repeat("x", 20) + "\n"}, []string{strings.Repeat("x", 20)}},
		"longest, without LF":     {[]string{strings.Repeat("x", 20)}, []string{strings.Repeat("x", 20)}},
		"too large keeps excerpt": {[]string{"a\n" + strings.Repeat("x", 21) + "\nb\n"}, []string{"a|" + strings.Repeat("x", 20), "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(bytes.NewReader(zip(t, test.parts...)), Options{BatchBytes: 8, MaxRecordBytes: 20})
			batches, err := drain(r)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range batches {
				got = append(got, strings.Join(b.Lines, "|"))
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) || len(got) != len(test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			for i, b := range batches {
				if b.Last != (i == len(batches)-1) {
					t.Errorf("batch %d of %d: Last is %v", i, len(batches), b.Last)
				}
			}
		})
	}
}

// A batch of ordinary size fits in 512 KiB; a larger one asks first and loses
// nothing by it.
func TestBigBatchAsks(t *testing.T) {
	large := strings.Repeat("x", 3<<20)
	compressed := zip(t, "a\n"+large+"\nb\n")
	r := NewReader(bytes.NewReader(compressed), Options{})
	var b Batch
	for range 3 {
		if err := r.Next(&b, false); !errors.Is(err, ErrBig) {
			t.Fatalf("got %v, want ErrBig", err)
		}
		if cap(b.Data) > normalBytes {
			t.Fatalf("buffer of %d bytes without leave", cap(b.Data))
		}
	}
	if err := r.Next(new(Batch), true); err == nil || errors.Is(err, ErrBig) {
		t.Fatalf("another batch was accepted: %v", err)
	}
	if err := r.Next(&b, true); err != nil {
		t.Fatal(err)
	}
	if got := copyOf(&b); len(got.Lines) != 2 || got.Lines[1] != large || got.TooLarge.Length != 0 {
		t.Fatalf("the big batch is not whole")
	}
	if err := r.Next(&b, false); err != nil {
		t.Fatal(err)
	}
	if got := copyOf(&b); len(got.Lines) != 1 || got.Lines[0] != "b" || got.First != 3 || !got.Last {
		t.Errorf("after the big batch: %+v", got)
	}
	if cap(b.Data) > normalBytes {
		t.Errorf("the big buffer was kept")
	}
}

// The longest record is whole; one byte more is an excerpt with the hash of the
// whole line, and no buffer grows with its length.
func TestTooLarge(t *testing.T) {
	const most = pipeline.BatchBytes + pipeline.MaxRecordBytes + readBytes + tailBytes
	for _, length := range []int{pipeline.MaxRecordBytes, pipeline.MaxRecordBytes + 1, 18 << 20} {
		for _, end := range []string{"\nlast\n", "\n", ""} {
			line := strings.Repeat("0123456789abcde\x00", length/16+1)[:length]
			r := NewReader(bytes.NewReader(zip(t, "first\n"+line+end)), Options{})
			var b Batch
			if err := r.Next(&b, false); !errors.Is(err, ErrBig) {
				t.Fatalf("got %v, want ErrBig", err)
			}
			if err := r.Next(&b, true); err != nil {
				t.Fatal(err)
			}
			got := copyOf(&b)
			if len(got.Lines) != 2 || got.Lines[0] != "first" || cap(b.Data) > most {
				t.Fatalf("length %d: %d lines, buffer of %d", length, len(got.Lines), cap(b.Data))
			}
			if want := int64(len("first\n") + length + min(1, len(end))); got.End.Offset != want || got.Last != (len(end) < 2) {
				t.Errorf("length %d: end %d, want %d; last %v", length, got.End.Offset, want, got.Last)
			}
			if length <= pipeline.MaxRecordBytes {
				if b.TooLarge != nil || got.Lines[1] != line {
					t.Errorf("length %d: not whole", length)
				}
				continue
			}
			want := TooLarge{int64(length), sha256.Sum256([]byte(line))}
			if got.TooLarge != want || got.Lines[1] != line[:excerptBytes] || int(b.Lines[1].End) != len(b.Data) {
				t.Errorf("length %d: got %+v and %d bytes", length, got.TooLarge, len(got.Lines[1]))
			}
			if len(end) < 2 {
				continue
			}
			if err := r.Next(&b, false); err != nil || string(b.Data) != "last\n" || b.First != 3 || b.TooLarge != nil {
				t.Errorf("length %d: after it %v %q", length, err, b.Data)
			}
		}
	}
}

func TestBrokenGzip(t *testing.T) {
	whole := zip(t, "aaa\nbbb\nccc\n")
	flip := func(at int) []byte {
		broken := bytes.Clone(whole)
		broken[at] ^= 1
		return broken
	}
	named := func() []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Name = "a-name"
		_ = w.Close()
		return out.Bytes()[:12]
	}
	for name, test := range map[string]struct {
		compressed []byte
		says       string
		cause      error
		batches    int // of 8 bytes, complete before the defect
	}{
		"truncated in the trailer":         {whole[:len(whole)-3], "truncated", io.ErrUnexpectedEOF, 1},
		"truncated before the trailer":     {whole[:len(whole)-8], "truncated", io.ErrUnexpectedEOF, 1},
		"truncated in the header":          {whole[:7], "truncated", io.ErrUnexpectedEOF, 0},
		"truncated in the name":            {named(), "truncated", io.ErrUnexpectedEOF, 0},
		"truncated in the second header":   {append(bytes.Clone(whole), whole[:5]...), "truncated", io.ErrUnexpectedEOF, 1},
		"wrong CRC":                        {flip(len(whole) - 8), "wrong checksum", gzip.ErrChecksum, 1},
		"wrong length":                     {flip(len(whole) - 1), "wrong checksum", gzip.ErrChecksum, 1},
		"not gzip":                         {[]byte("{\"Item\":{}}\n"), "not a gzip file", gzip.ErrHeader, 0},
		"garbage after the last member":    {append(bytes.Clone(whole), "and some more"...), "garbage after", gzip.ErrHeader, 1},
		"zero padding is garbage":          {append(bytes.Clone(whole), make([]byte, 512)...), "garbage after", gzip.ErrHeader, 1},
		"reserved block type":              {append(bytes.Clone(whole[:10]), 0xff, 0xff, 0xff), "corrupt data", nil, 0},
		"second member breaks, first good": {append(bytes.Clone(whole), flip(len(whole)-8)...), "wrong checksum", gzip.ErrChecksum, 3},
	} {
		t.Run(name, func(t *testing.T) {
			batches, err := drain(NewReader(bytes.NewReader(test.compressed), Options{BatchBytes: 8}))
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want it to say %q", err, test.says)
			}
			if test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("%v does not wrap %v", err, test.cause)
			}
			if len(batches) != test.batches {
				t.Errorf("%d batches before the defect, want %d", len(batches), test.batches)
			}
			for _, b := range batches {
				if b.Last {
					t.Errorf("a batch is Last although the gzip breaks after it")
				}
			}
		})
	}
}

// An error of the reader below is no defect of the object.
func TestReadErrorIsNotCorrupt(t *testing.T) {
	cause := errors.New("connection reset")
	whole := zip(t, strings.Repeat("line\n", 100))
	for cut := 0; cut < len(whole); cut++ {
		below := io.MultiReader(bytes.NewReader(whole[:cut]), iotest.ErrReader(cause))
		_, err := drain(NewReader(below, Options{BatchBytes: 16}))
		if !errors.Is(err, cause) || errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d: got %v", cut, err)
		}
	}
}

func TestSkipRefuses(t *testing.T) {
	compressed := zip(t, "aaa\nbbb\nccc\n")
	r := NewReader(bytes.NewReader(compressed), Options{BatchBytes: 4})
	const plain = "aaa\nbbb\nccc\n"
	if err := r.Skip(position(plain+"d", 13, 4)); !errors.Is(err, ErrChanged) {
		t.Errorf("skip behind the end: %v", err)
	}
	r.Reset(bytes.NewReader(compressed))
	if err := r.Next(new(Batch), false); err != nil {
		t.Fatal(err)
	}
	if err := r.Skip(position(plain, 8, 2)); err == nil {
		t.Errorf("skip after Next was accepted")
	}
	r.Reset(bytes.NewReader(compressed))
	if err := r.Skip(position(plain, 8, 2)); err != nil {
		t.Fatal(err)
	}
	if err := r.Skip(position(plain, 4, 1)); err == nil {
		t.Errorf("skip backwards was accepted")
	}
	r.Reset(bytes.NewReader(compressed))
	if err := r.Skip(position("aaa\nbxb\n", 8, 2)); !errors.Is(err, ErrChanged) {
		t.Errorf("skip over other bytes: %v", err)
	}
}

// position is where a reader of plain stands after so many bytes and records.
func position(plain string, offset, records int64) Position {
	return Position{offset, records, crc32.Checksum([]byte(plain[:offset]), castagnoli)}
}

func TestCompressedProgress(t *testing.T) {
	compressed := zip(t, strings.Repeat("some line\n", 5000), strings.Repeat("another\n", 5000))
	r := NewReader(bytes.NewReader(compressed), Options{BatchBytes: 4096})
	var b Batch
	var last int64
	for {
		err := r.Next(&b, false)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || b.Compressed < last {
			t.Fatalf("%v: %d after %d", err, b.Compressed, last)
		}
		last = b.Compressed
	}
	if last != int64(len(compressed)) {
		t.Errorf("at the end %d of %d compressed bytes", last, len(compressed))
	}
}

// TestPlainLines: what the FHIR Works tool leaves behind in its files, blank lines
// and a last line that is one, are no records; the lines are where they were read to.
func TestPlainLines(t *testing.T) {
	const text = "{\"a\":1}\r\n\n \t\r\n{\"b\":2}\n\n  "
	var b Batch
	r := NewReader(strings.NewReader(text), Options{Plain: true})
	if err := r.Next(&b, false); err != nil {
		t.Fatal(err)
	}
	if got := copyOf(&b); fmt.Sprintf("%q", got.Lines) != `["{\"a\":1}\r" "{\"b\":2}"]` || !got.Last || got.End.Records != 2 ||
		got.End.Offset != int64(len(text)) || b.Compressed != int64(len(text)) {
		t.Errorf("got %+v", got)
	}
	if err := r.Next(&b, false); !errors.Is(err, io.EOF) {
		t.Errorf("then %v", err)
	}
	var c Counter
	c.Add([]byte(text))
	if c.Records() != 2 {
		t.Errorf("counted %d", c.Records())
	}
}
