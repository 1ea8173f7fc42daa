package dynamoexport

import (
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/sourcetest"
)

func TestPeek(t *testing.T) {
	objects := append(three(), sourcetest.Object{Name: "empty.json.gz"})
	inDirectory := must[*Source](t)(openExport(t, newExport("p/", objects).write(t)))
	inBucket := must[pipeline.Source](t)(newBucketFixture(t, objects).Open(t.Context(), nil))
	for name, source := range map[string]*Source{"directory": inDirectory, "bucket": inBucket.(*Source)} {
		for limit, want := range map[int64]string{5: "bytes", 1000: "bytes of c.json.gz"} {
			if got, err := source.Peek(t.Context(), 0, limit); err != nil || string(got) != want {
				t.Errorf("%s, %d bytes: %q, %v", name, limit, got, err)
			}
		}
		if got, err := source.Peek(t.Context(), 3, 5); err != nil || len(got) != 0 {
			t.Errorf("%s, empty object: %q, %v", name, got, err)
		}
	}
}
