package stub_test

import (
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// TestLongestRow: a row of the longest source line fits a frame, wherever its
// length lies; lastUpdated comes out twice.
func TestLongestRow(t *testing.T) {
	c, err := convert.New(convert.Options{BinaryField: "data"})
	if err != nil {
		t.Fatal(err)
	}
	const row = `{"Item":{"resourceType":{"S":"Binary"},"id":{"S":"x"},"vid":{"N":"1"},"documentStatus":{"S":"AVAILABLE"},"x":{"S":"~"},"meta":{"M":{"lastUpdated":{"S":"~"}}}}}`
	fill := strings.Repeat("y", pipeline.MaxRecordBytes-len(row))
	for _, texts := range [][2]string{{fill, ""}, {"", fill}, {fill[len(fill)/2:], fill[:len(fill)/2]}} {
		raw := []byte(strings.Replace(strings.Replace(row, "~", texts[0], 1), "~", texts[1], 1))
		var r convert.Record
		line := c.Convert(nil, raw, &r)
		s := stub.Stub{Record: 1, ID: r.ID, Version: r.Version, Status: r.Status, Line: line, Before: r.Before, After: r.After, Raw: raw}
		frame := stub.Append(nil, &s)
		if r.Reason != pipeline.NoReason || r.Before == nil || len(frame) > 3*pipeline.MaxRecordBytes+1000 {
			t.Errorf("%v, a frame of %d bytes", r.Reason, len(frame))
		}
	}
}
