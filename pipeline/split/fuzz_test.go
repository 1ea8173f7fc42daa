package split

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
)

// FuzzCompressed feeds bytes that may or may not be gzip. Whatever they are, the
// Reader agrees with the plain library about what they hold, gives the same
// batches for every chunking, and calls nothing sound that is broken.
func FuzzCompressed(f *testing.F) {
	whole := zip(f, "aaa\nbbb\n", "", "\nccc")
	f.Add(whole, uint16(8))
	f.Add(whole[:len(whole)-4], uint16(1))
	f.Add(append(bytes.Clone(whole), 0, 0), uint16(100))
	f.Add([]byte{}, uint16(3))
	f.Fuzz(func(t *testing.T, compressed []byte, batch uint16) {
		if len(compressed) > 1<<10 { // a bomb would only cost time
			return
		}
		options := Options{BatchBytes: 256 + int(batch), MaxRecordBytes: 1 << 12}
		got, gotErr := drain(NewReader(bytes.NewReader(compressed), options))
		random := rand.New(rand.NewPCG(uint64(batch), 1))
		again, againErr := drain(NewReader(&chunked{compressed, random, 7}, options))
		if !reflect.DeepEqual(got, again) || (gotErr == nil) != (againErr == nil) {
			t.Fatalf("chunks change the batches: %v, %v", gotErr, againErr)
		}
		if gotErr != nil && !errors.Is(gotErr, ErrCorrupt) {
			t.Fatalf("not called corrupt: %v", gotErr)
		}

		plain, err := inflateAll(compressed)
		if gotErr == nil && err != nil {
			t.Fatalf("accepted, but the library says %v", err)
		}
		want := expect(plain, options)
		if gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("other batches than plain splitting: %s", difference(got, want))
		}
		// Of broken input a prefix; how far each library gets is its own affair.
		for i := range min(len(got), len(want)-1) {
			if !reflect.DeepEqual(got[i].Lines, want[i].Lines) {
				t.Fatalf("batch %d is not a batch of the readable bytes", i)
			}
		}
	})
}

func inflateAll(compressed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
