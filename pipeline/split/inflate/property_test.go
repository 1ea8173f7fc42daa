package inflate

import (
	"bytes"
	stdgzip "compress/gzip"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"
)

// flusher is what both libraries write with.
type flusher interface {
	io.WriteCloser
	Flush() error
}

// compress writes plain as members that are cut, flushed and compressed at random.
func compress(t *rapid.T, plain []byte, random *rand.Rand) []byte {
	var out bytes.Buffer
	members := rapid.IntRange(1, 4).Draw(t, "members")
	for i := range members {
		part := plain
		if i < members-1 {
			part = plain[:random.IntN(len(plain)+1)]
		}
		plain = plain[len(part):]
		w, err := writer(t, &out)
		if err != nil {
			t.Fatal(err)
		}
		for flushes := random.IntN(4); flushes > 0; flushes-- {
			n := random.IntN(len(part) + 1)
			_, _ = w.Write(part[:n])
			_ = w.Flush()
			part = part[n:]
		}
		_, _ = w.Write(part)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func writer(t *rapid.T, out io.Writer) (flusher, error) {
	switch rapid.IntRange(0, 2).Draw(t, "library") {
	case 0:
		level := rapid.IntRange(stdgzip.HuffmanOnly, stdgzip.BestCompression).Draw(t, "level")
		return stdgzip.NewWriterLevel(out, level)
	case 1:
		level := rapid.IntRange(gzip.StatelessCompression, gzip.BestCompression).Draw(t, "level")
		return gzip.NewWriterLevel(out, level)
	}
	window := 1 << rapid.IntRange(5, 15).Draw(t, "window")
	return gzip.NewWriterWindow(out, window)
}

// drawPlain returns bytes of every compressibility: few or all symbols, repeated
// from near and from as far as a match may reach.
func drawPlain(t *rapid.T, random *rand.Rand) []byte {
	size := rapid.SampledFrom([]int{0, 1, 5, 300, 5_000, 70_000, 300_000}).Draw(t, "size")
	symbols := rapid.SampledFrom([]int{1, 2, 20, 256}).Draw(t, "symbols")
	far := rapid.SampledFrom([]int{1, 3, 9, 40, 1_000, 32 << 10, 33 << 10}).Draw(t, "far")
	repeats := rapid.IntRange(0, 20).Draw(t, "repeats")
	plain := make([]byte, 0, size)
	for len(plain) < size {
		if len(plain) > 0 && random.IntN(20) < repeats {
			from := len(plain) - 1 - random.IntN(min(len(plain), far))
			for range min(1+random.IntN(300), size-len(plain)) {
				plain = append(plain, plain[from])
				from++
			}
			continue
		}
		plain = append(plain, byte(random.IntN(symbols)*(1+random.IntN(2))))
	}
	return plain
}

func TestWhatIsCompressedComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, 0))
		plain := drawPlain(t, random)
		compressed := compress(t, plain, random)
		if got := whole(compressed); got.defect != "" || !bytes.Equal(got.plain, plain) {
			t.Fatalf("%q after %d of %d bytes", got.defect, len(got.plain), len(plain))
		}
		var r Reader
		if got := pieces(compressed, &r, random); got.defect != "" || !bytes.Equal(got.plain, plain) {
			t.Fatalf("in pieces: %q after %d of %d bytes", got.defect, len(got.plain), len(plain))
		}
	})
}

// A byte that is changed, cut off or added is found, or changes nothing.
func TestDamage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, 0))
		compressed := compress(t, drawPlain(t, random), random)
		at := random.IntN(len(compressed))
		switch rapid.IntRange(0, 2).Draw(t, "damage") {
		case 0:
			compressed[at] ^= 1 << random.IntN(8)
		case 1:
			compressed = compressed[:at]
		case 2:
			compressed = append(compressed, byte(random.IntN(256)))
		}
		agree(t, compressed, seed)
	})
}
