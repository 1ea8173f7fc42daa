package split

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"
)

// expect splits plain bytes the obvious way.
func expect(plain []byte, o Options) []copied {
	var all []copied
	c := copied{First: 1}
	var sum uint32
	for position := 0; position < len(plain); {
		from := position
		line, _, ended := bytes.Cut(plain[position:], []byte{'\n'})
		position += len(line)
		if ended {
			position++
		}
		sum = crc32.Update(sum, castagnoli, plain[from:position])
		if len(line) > o.MaxRecordBytes {
			c.TooLarge = TooLarge{int64(len(line)), sha256.Sum256(line)}
			line = line[:min(excerptBytes, o.MaxRecordBytes)]
		}
		if !o.Plain || c.TooLarge.Length > 0 || strings.Trim(string(line), " \t\r") != "" {
			c.Lines = append(c.Lines, string(line))
		}
		c.End = Position{int64(position), c.First - 1 + int64(len(c.Lines)), sum}
		full := position-int(c.Offset) >= o.BatchBytes || len(line) < int(c.TooLarge.Length)
		if full || position == len(plain) {
			all = append(all, c)
			c = copied{First: c.First + int64(len(c.Lines)), Offset: c.End.Offset}
		}
	}
	if len(all) > 0 {
		all[len(all)-1].Last = true
	}
	return all
}

func difference(got, want []copied) string {
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			return fmt.Sprintf("batch %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
	return "in number"
}

// chunked returns its bytes in pieces of random size.
type chunked struct {
	rest   []byte
	random *rand.Rand
	most   int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(len(c.rest), 1+c.random.IntN(c.most))])
	c.rest = c.rest[n:]
	return n, nil
}

// members compresses plain as gzip members that are cut at random places.
func members(plain []byte, random *rand.Rand, count int) []byte {
	var out bytes.Buffer
	for i := range count {
		part := plain
		if i < count-1 {
			part = plain[:random.IntN(len(plain)+1)]
		}
		plain = plain[len(part):]
		w, _ := gzip.NewWriterLevel(&out, random.IntN(3))
		_, _ = w.Write(part)
		_ = w.Close()
	}
	return out.Bytes()
}

func drawPlain(t *rapid.T) []byte {
	lines := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]byte("ab{}\r ")), 0, 60), 0, 60).Draw(t, "lines")
	plain := bytes.Join(lines, []byte{'\n'})
	// Now and then stretch it beyond every internal buffer.
	if factor := rapid.SampledFrom([]int{1, 1, 1, 200, 2000}).Draw(t, "factor"); factor > 1 {
		plain = bytes.Repeat(plain, factor)
	}
	if rapid.Bool().Draw(t, "final LF") {
		plain = append(plain, '\n')
	}
	return plain
}

// mustCount holds a Counter to the batches of a Reader (I4).
func mustCount(t *rapid.T, plain []byte, random *rand.Rand, want []copied, o Options) {
	counter, records := Counter{longest: int64(o.MaxRecordBytes)}, int64(0)
	for _, b := range want {
		records += int64(len(b.Lines))
	}
	for len(plain) > 0 {
		n := 1 + random.IntN(len(plain))
		counter.Add(plain[:n])
		plain = plain[n:]
	}
	if got := counter.Records(); got != records || got != counter.Records() {
		t.Fatalf("counted %d records, there are %d", got, records)
	}
}

// I3: neither chunks nor members shape the batches. I2: going on at any batch's
// end gives the same batches as reading through.
func TestSplitProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := drawPlain(t)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		options := Options{
			BatchBytes:     rapid.SampledFrom([]int{1, 50, 700, 40_000, 1 << 20}).Draw(t, "batch"),
			MaxRecordBytes: rapid.SampledFrom([]int{1, 30, 59, 100_000}).Draw(t, "record"),
			Plain:          rapid.Bool().Draw(t, "plain"),
		}
		if len(plain) > 20_000 { // tiny batches of long inputs only cost time
			options.BatchBytes = max(options.BatchBytes, 40_000)
			options.MaxRecordBytes = max(options.MaxRecordBytes, 59)
		}
		compressed := plain
		if !options.Plain {
			compressed = members(plain, random, 1+random.IntN(5))
		}
		open := func() *Reader {
			return NewReader(&chunked{compressed, random, 1 + random.IntN(len(compressed)+1)}, options)
		}

		want := expect(plain, options)
		got, err := drain(open())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d batches, want %d; first difference: %s", len(got), len(want), difference(got, want))
		}
		if options.Plain {
			mustCount(t, plain, random, want, options)
		}
		if len(want) == 0 {
			return
		}
		from := random.IntN(len(want))
		resumed := open()
		if err := resumed.Skip(want[from].End); err != nil {
			t.Fatal(err)
		}
		got, err = drain(resumed)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(append([]copied{}, got...), append([]copied{}, want[from+1:]...)) {
			t.Fatalf("after batch %d: first difference: %s", from, difference(got, want[from+1:]))
		}
	})
}
