package records_test

import (
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// TestCanaryOfTheCheckpoint: whatever a cut finds under way, with open files that
// end anywhere, and within large contents, the checkpoint holds none of it (I10).
func TestCanaryOfTheCheckpoint(t *testing.T) {
	b := emptyTable(t)
	objects := make([][]string, 4)
	for n := range 200 {
		add := func(row string) { objects[n%4] = append(objects[n%4], row) }
		switch {
		case n == 30:
			add(recordstest.CanaryRow(n, `{"N":"3"}`, `{"N":"`+recordstest.Canary+`"}`))
		case n%10 == 7:
			add(recordstest.CanaryBinary(n))
			if n != 37 { // missing
				b.putBytes(b.contents, recordstest.CanaryKey(n)+"pdf", recordstest.CanaryContent(n*250)) // from some size on a large one
			}
		default:
			add(recordstest.CanaryRow(n))
		}
	}
	b.putBytes(b.contents, recordstest.CanaryKey(999)+"pdf", recordstest.CanaryContent(100)) // orphan
	b.exportRows(objects)
	j := newContentsJob(t, b, "")
	j.Options.CutEvery = 1
	recordstest.NoCanaryCommitted(t, j.Job)
}
