package stub_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// TestLongestRow: a row of the longest source line fits a frame, which takes
// little more room than the row.
func TestLongestRow(t *testing.T) {
	name := bytes.Repeat([]byte("x"), stub.MaxNameBytes)
	s := stub.Stub{Record: 1, Tenant: name, ID: name, Version: 1, Status: pipeline.Available, Raw: make([]byte, pipeline.MaxRecordBytes)}
	frame := stub.Append(nil, &s)
	if more := len(frame) - len(s.Raw); more > 200 {
		t.Errorf("%d bytes more than the row", more)
	}
	if n, err := readAll(t, bytes.NewReader(frame), 0, int64(len(frame)), []stub.Stub{s}); n != 1 || !errors.Is(err, io.EOF) {
		t.Error(n, err)
	}
}
