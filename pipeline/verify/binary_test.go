package verify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// TestLargeBinaries verifies Binaries that are longer than any line that is held
// in memory, among small ones: equal, truncated, and one that cannot be read.
func TestLargeBinaries(t *testing.T) {
	content := strings.Repeat("QUJDRA/+", longestLine/8+1000)
	text := func(id int, data string) string {
		return fmt.Sprintf(`{"resourceType":"Binary","data":"%s","id":"b%d","contentType":"a/b"}`, data, id)
	}
	var d digest.Digester
	var entries []ledger.Entry
	for id := range 6 {
		data := content
		if id%2 == 0 {
			data = "QUJD"
		}
		sums, reason := d.Resource([]byte(text(id, data)))
		if reason != pipeline.NoReason {
			t.Fatal(reason)
		}
		entries = append(entries, ledger.Entry{Type: []byte("Binary"), ID: fmt.Appendf(nil, "b%d", id), Version: 1, Status: pipeline.Available, Content: sums.Content, Label: sums.Label})
	}
	meta := func(line string) string {
		return strings.Replace(line, "{", `{"meta":{"versionId":"4","lastUpdated":"2024-01-01T00:00:00Z"},`, 1) + "\n"
	}
	escaped := strings.ReplaceAll(content, "/", `\/`)
	objects := [][]byte{
		[]byte(meta(text(1, escaped)) + meta(text(0, "QUJD")) + meta(text(3, content[:len(content)-1]))),
		[]byte(meta(text(2, "QUJ")) + meta(text(5, content[:len(content)-4]+"\\u0041")) + meta(text(4, "QUJD"))),
	}
	o := options(t.TempDir())
	o.Memory = 64 << 20
	a := verifyAll(t, openLedger(t, entries, 10), newExport(objects), o)
	want := map[string]string{
		"Binary/b3": Different.String(), "Binary/b2": Different.String(),
		"Binary/b5": Missing.String(), "1:2": Unchecked.String() + ": " + UnreadableLine.String(),
	}
	for name, what := range want {
		if a.findings[name] != what {
			t.Errorf("%s is %q, want %q", name, a.findings[name], what)
		}
	}
	if len(a.findings) != len(want) || a.result.count(Equal) != 3 {
		t.Errorf("%v, %d equal", a.order, a.result.count(Equal))
	}
}
