package convert

import (
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
)

func TestDigestsAgreeWithOutput(t *testing.T) {
	c, _ := New(Options{Deleted: true})
	var r Record
	var d digest.Digester
	for i, row := range rows(t) {
		out := c.Convert(nil, row, &r)
		if r.Reason != pipeline.NoReason {
			t.Fatalf("row %d: %v at %s\n%s", i, r.Reason, r.Path, row)
		}
		sums, reason := d.Resource(out)
		if reason != pipeline.NoReason {
			t.Fatalf("row %d: output: %v\n%s", i, reason, out)
		}
		if sums.Content != r.Content || sums.Label != r.Label {
			t.Fatalf("row %d: digests differ\n%s\n%s", i, row, out)
		}
	}
}
