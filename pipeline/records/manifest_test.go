package records

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
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
	objects := []pipeline.Object{{Key: `data/"1".json.gz`}, {Key: "data/0.json.gz"}}
	if err := writeManifest(&text, manifestHead{Format: 1, Job: "a", Shape: map[string]string{"files": "[{"}}, files, objects); err != nil {
		t.Fatal(err)
	}
	names, err := ObjectsInManifest(bytes.NewReader(text.Bytes()))
	if err != nil || !slices.Equal(names, []string{objects[0].Key, objects[1].Key}) {
		t.Errorf("%q, %v", names, err)
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
	_ = writeManifest(&text, manifestHead{}, files, objects)
	whole := strings.TrimRight(text.String(), "\n")
	for n := range len(whole) {
		if err := EachInManifest(strings.NewReader(whole[:n]), keep); pipeline.KindOf(err) != pipeline.KindFatal {
			t.Fatalf("of the first %d bytes: %v", n, err)
		}
		if _, err := ObjectsInManifest(strings.NewReader(whole[:n])); pipeline.KindOf(err) != pipeline.KindFatal {
			t.Fatalf("objects of the first %d bytes: %v", n, err)
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
