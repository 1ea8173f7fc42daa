package records

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// TestEachInManifest: what was written is read, and what is cut off is refused
// wherever the cut is.
func TestEachInManifest(t *testing.T) {
	files := []output.File{{Name: "v1-0/A-v1-00000.ndjson"}, {Name: "_fhirhose/ledger/00000.ledger"}}
	files[0].Size, files[1].Lines = 12, 7
	var text bytes.Buffer
	if err := writeManifest(&text, manifestHead{Format: 1, Job: "a", Shape: map[string]string{"files": "[{"}}, files); err != nil {
		t.Fatal(err)
	}
	var got []ManifestFile
	keep := func(f ManifestFile) error {
		got = append(got, f)
		return nil
	}
	if err := EachInManifest(&text, keep); err != nil {
		t.Fatal(err)
	}
	if want := []ManifestFile{{Name: files[0].Name, Bytes: 12}, {Name: files[1].Name, Records: 7}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	text.Reset()
	_ = writeManifest(&text, manifestHead{}, files)
	whole := strings.TrimRight(text.String(), "\n")
	for n := range len(whole) {
		if err := EachInManifest(strings.NewReader(whole[:n]), keep); pipeline.KindOf(err) != pipeline.KindFatal {
			t.Fatalf("of the first %d bytes: %v", n, err)
		}
	}
	broken := errors.New("broken")
	if err := EachInManifest(iotest.ErrReader(broken), keep); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := EachInManifest(strings.NewReader(whole), func(ManifestFile) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
