package binaries

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

func TestEncode(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 1000 {
		checkEncode(t, randomBytes(r, n))
	}
	checkEncode(t, randomBytes(r, readBytes))
}

// Whoever gives the wrong room is told: the instructions would write on.
func TestEncodeWithoutRoom(t *testing.T) {
	for _, room := range []int{0, 127, 129} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("room for %d bytes was taken", room)
				}
			}()
			encode(make([]byte, room), make([]byte, 96))
		}()
	}
}

func FuzzEncode(f *testing.F) {
	for _, seed := range []string{"", "f", "fo", "foo", "foobar", "\x00\x10\x83\x10\x51\x87\x20\x92\x8b", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) { checkEncode(t, src) })
}

func checkEncode(t *testing.T, src []byte) {
	t.Helper()
	n := int(encodedLen(int64(len(src))))
	want := base64.StdEncoding.EncodeToString(src)
	const around = "????????????????????????????????????????????????????????????????" // more than a vector
	for shift := range 4 {
		at := len(around) - shift
		in := append(make([]byte, shift, shift+len(src)), src...)[shift:]
		dst := []byte(around + want + around)
		copy(dst[at:], bytes.Repeat([]byte{'?'}, n+shift))
		for _, end := range []int{at + n, len(dst)} { // whatever the capacity
			encode(dst[at:at+n:end], in)
			if string(dst[:at]) != around[shift:] || string(dst[at:at+n]) != want || string(dst[at+n:]) != around[:shift]+around {
				t.Fatalf("%x: %s, want %s", src, dst, want)
			}
		}
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// repeated is a bucket of one content.
type repeated struct {
	*bucket
	content bytes.Reader
	body    []byte
}

func (r *repeated) Open(context.Context, pipeline.Content, int64) (io.ReadCloser, error) {
	r.content.Reset(r.body)
	return r, nil
}

func (r *repeated) Read(p []byte) (int, error) { return r.content.Read(p) }
func (r *repeated) Close() error               { return nil }

// oneFetch returns what a fetcher does for each small content.
func oneFetch(t testing.TB, size int) func() { return fetchOf(t, size, newDigests()) }

func fetchOf(t testing.TB, size int, digests *digests) func() {
	contents := &repeated{body: randomBytes(rand.New(rand.NewPCG(1, 1)), size)}
	p := &Pipeline{contents: contents, live: newLive(), digests: digests, opening: openingOf("data")}
	f := p.newFetcher()
	it := newItem()
	it.fill, it.content.Size = true, int64(size)
	it.stub.Line, it.stub.Before, it.stub.After = bytes.Repeat([]byte("{}\n"), 100), make([]byte, 100), make([]byte, 200)
	room := make([]byte, 0, it.lineBytes(p.opening))
	return func() {
		it.room.b = room
		if err := f.fetch(t.Context(), it); err != nil || it.reason != pipeline.NoReason {
			t.Fatal(err, it.reason)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	// The closure around the content that obtain calls is all.
	if n := testing.AllocsPerRun(100, oneFetch(t, 10_000)); n > 0 {
		t.Errorf("%v allocations per content", n)
	}
}

const benchSize = 200_000

// BenchmarkFetch makes lines of contents of 200 KB: read, encoded, hashed.
func BenchmarkFetch(b *testing.B) {
	fetch := oneFetch(b, benchSize)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		fetch()
	}
}

// BenchmarkFetches is the same with many fetchers on all cores.
func BenchmarkFetches(b *testing.B) {
	digests := newDigests()
	b.SetParallelism(8)
	b.SetBytes(benchSize)
	b.RunParallel(func(pb *testing.PB) {
		fetch := fetchOf(b, benchSize, digests)
		for pb.Next() {
			fetch()
		}
	})
}

// BenchmarkEncode is what of it is base64.
func BenchmarkEncode(b *testing.B) {
	benchEncode(b, encode)
}

// BenchmarkStandard is encoding/base64 alone, into memory.
func BenchmarkStandard(b *testing.B) {
	benchEncode(b, base64.StdEncoding.Encode)
}

func benchEncode(b *testing.B, encode func(dst, src []byte)) {
	src := randomBytes(rand.New(rand.NewPCG(1, 1)), benchSize)
	dst := make([]byte, encodedLen(benchSize))
	b.SetBytes(benchSize)
	for b.Loop() {
		encode(dst, src)
	}
}
