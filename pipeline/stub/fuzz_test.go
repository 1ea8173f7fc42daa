package stub_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// FuzzReader reads arbitrary bytes, and behind the checksum: the same bytes as
// the body of a frame whose length and checksum are right. What is accepted is
// what Append writes.
func FuzzReader(f *testing.F) {
	frames, ends := file(samples())
	f.Add(frames)
	f.Add([]byte{})
	start := int64(0)
	for _, end := range ends {
		f.Add(frames[start+8 : end])
		start = end
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		accepted(t, data)
		accepted(t, sealed(data))
	})
}

func accepted(t *testing.T, file []byte) {
	r := stub.NewReader(bytes.NewReader(file), "", 0, int64(len(file)))
	var again []byte
	for {
		var s stub.Stub
		err := r.Next(&s)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			if pipeline.KindOf(err) != pipeline.KindCheckpoint {
				t.Fatal(err)
			}
			return
		}
		again = stub.Append(again, &s)
		if !bytes.Equal(again, file[:r.Offset()]) {
			t.Fatal("what was accepted is not what Append writes")
		}
	}
}
