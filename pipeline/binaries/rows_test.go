package binaries

import (
	"errors"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// TestStoredRowIsNoBinary: a log whose rows are not what the record pipeline hands
// down is refused, not written.
func TestStoredRowIsNoBinary(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":     "",
		"broken":      `{"Item":`,
		"a Patient":   `{"Item":{"resourceType":{"S":"Patient"},"id":{"S":"a"},"vid":{"N":"1"},"meta":{"M":{}},"documentStatus":{"S":"AVAILABLE"}}}`,
		"not written": `{"Item":{"resourceType":{"S":"Binary"},"id":{"S":"a"},"vid":{"N":"1"},"meta":{"M":{}},"documentStatus":{"S":"PENDING"}}}`,
		"of a tenant": `{"Item":{"resourceType":{"S":"Binary"},"id":{"S":"t|a"},"_tenantId":{"S":"t"},"_id":{"S":"b"},"vid":{"N":"1"},"meta":{"M":{}},"documentStatus":{"S":"AVAILABLE"}}}`,
	} {
		j := newJob(t, nil, newBucket())
		l := j.log()
		s := stub.Stub{Record: 1, ID: []byte("a"), Version: 1, Status: pipeline.Available, Raw: []byte(raw)}
		if err := l.Append(stub.Append(nil, &s)); err != nil {
			t.Fatal(err)
		}
		end, durably, err := l.Sync()
		if err := errors.Join(err, durably()); err != nil {
			t.Fatal(err)
		}
		j.end = end
		_, _, err = j.run(nil)
		if pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
			t.Errorf("%s: kind %d: %v", name, pipeline.KindOf(err), err)
		}
	}
}

// TestLongRowsLeaveNoBuffers: what a long row has needed is given back after it (I7).
func TestLongRowsLeaveNoBuffers(t *testing.T) {
	j := newJob(t, []row{
		{id: "a", version: 1, status: "AVAILABLE", data: strings.Repeat("A", 300<<10)},
		{id: "b", version: 1, status: "DELETED"},
	}, newBucket())
	p := &Pipeline{options: Options{Field: "data"}, feed: j.log()}
	r, err := p.follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var c converted
	for i, kept := range []bool{true, false} {
		if err := r.next(&c); err != nil || c.Line == nil {
			t.Fatal(err)
		}
		if (cap(r.line) > keptRow) != kept {
			t.Errorf("row %d: a buffer of %d bytes", i, cap(r.line))
		}
	}
	if err := r.stubs.Close(); err != nil {
		t.Error(err)
	}
}
