package progress

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/metrics"
)

// TestBinaries: their bytes stand beside the records, where there are any.
func TestBinaries(t *testing.T) {
	s := moving(0)
	s.Binaries = &metrics.BinaryTotals{Objects: 400, Bytes: 5e9, BinaryCounts: metrics.BinaryCounts{Rows: 300, Written: 200, ContentBytes: 1.2e9, Waiting: 99}, InFlight: 32}
	var plain, lines bytes.Buffer
	(&Plain{Out: &plain}).Show(noon, s)
	(&Lines{Out: &lines}).Show(noon, s)
	if want := "1,234 records  Binaries 200, 1.20 GB of 5.00 GB  1 quarantined\n"; !strings.HasSuffix(plain.String(), want) {
		t.Errorf("got %s", &plain)
	}
	if want := `"binaries":{"rows":300,"written":200,"content_bytes":1200000000,"listed_bytes":5000000000,"in_flight":32,"waiting":99}`; !strings.Contains(lines.String(), want) {
		t.Errorf("got %s", &lines)
	}
	s.Binaries = nil
	plain.Reset()
	lines.Reset()
	(&Plain{Out: &plain}).Show(noon, s)
	(&Lines{Out: &lines}).Show(noon, s)
	if text := plain.String() + lines.String(); strings.Contains(text, "inaries") {
		t.Errorf("got %s", text)
	}
}
