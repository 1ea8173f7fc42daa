package verify

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
)

// TestDigester: a body has the digests that the ledger has of the resource, however
// it is read, however long it is, and whatever the target has added.
func TestDigester(t *testing.T) {
	marks := healthLake
	d, path := NewDigester(&marks), filepath.Join(t.TempDir(), "long.tmp")
	for _, size := range []int{3, 600 << 10, 20 << 20} {
		data := strings.Repeat("A", size)
		var own digest.Digester
		want, _ := own.Resource([]byte(`{"resourceType":"Binary","id":"a","data":"` + data + `","n":1.5}`))
		wanted := func(s digest.Sums) bool { return s.Content == want.Content && s.Label == want.Label }
		for _, o := range []struct {
			body  string
			forms int
		}{
			{`{"id":"a","n":1.50,"data":"` + data + `","resourceType":"Binary","meta":{"versionId":"3"}}`, 1},
			{"{\n  \"id\": \"a\",\r\n  \"n\": 15e-1, \"data\": \"" + data + "\", \"extension\":[" + cmExtension + "],\n  \"resourceType\": \"Binary\"\n}\n", 2},
		} {
			if size < 1<<20 {
				if forms, reason := d.Sums([]byte(o.body)); reason != pipeline.NoReason || len(forms) != o.forms || !slices.ContainsFunc(forms, wanted) {
					t.Errorf("%d bytes: %v, %d forms", size, reason, len(forms))
				}
			}
			forms, reason, err := d.Read(t.Context(), iotest.HalfReader(strings.NewReader(o.body)), path)
			if err != nil || reason != pipeline.NoReason || len(forms) != o.forms || !slices.ContainsFunc(forms, wanted) {
				t.Errorf("%d bytes: %v, %v, %d forms", size, err, reason, len(forms))
			}
		}
		broken := errors.New("broken")
		if _, _, err := d.Read(t.Context(), io.MultiReader(strings.NewReader(`{"data":"`+data), iotest.ErrReader(broken)), path); !errors.Is(err, broken) {
			t.Error(err)
		}
		if _, reason, err := d.Read(t.Context(), strings.NewReader(`{"data":"`+data), path); err != nil || reason == pipeline.NoReason {
			t.Error(reason, err)
		}
	}
	for _, body := range []string{"", " ", "5", `{"id":"a"}`} {
		if _, reason := d.Sums([]byte(body)); reason == pipeline.NoReason {
			t.Errorf("%q has digests", body)
		}
		if _, reason, err := d.Read(t.Context(), strings.NewReader(body), path); reason == pipeline.NoReason || err != nil {
			t.Errorf("%q has digests, %v", body, err)
		}
	}
}
