package canon_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
	"github.com/fhirhose/fhirhose/pipeline/digest/digesttest"
)

// TestLongest: no text of plain JSON becomes longer than Longest says, whatever its
// numbers look like. The scan writes without looking where its buffer ends; under the
// race detector it looks.
func TestLongest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := func(name string, least, most int) string {
			return strings.Repeat(rapid.SampledFrom([]string{"0", "1", "9"}).Draw(t, name), rapid.IntRange(least, most).Draw(t, name+" count"))
		}
		number := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + rapid.SampledFrom([]string{"0", "1", "1" + digits("whole", 0, 30)}).Draw(t, "number")
		if rapid.Bool().Draw(t, "fraction") {
			number += "." + digits("fraction digits", 0, 120) + "1"
		}
		if rapid.Bool().Draw(t, "exponent") {
			number += rapid.SampledFrom([]string{"e", "E+", "e-"}).Draw(t, "e") + digits("exponent digits", 1, 25)
		}
		value := rapid.SampledFrom([]string{number, `"` + number + `"`, `{"a":` + number + "}", "[" + number + "]"}).Draw(t, "value")
		line := []byte(`{"a":[` + strings.Repeat(value+",", 9000/len(value)) + number + "]}")
		tree, fault := digesttest.Parse(line)
		if fault != pipeline.NoReason {
			t.Fatalf("%v: %s", fault, number)
		}
		longest := canon.Longest(line)
		if got := len(digesttest.Canonical(tree)); got > longest {
			t.Fatalf("%d bytes of %s became %d, not at most %d", len(line), value, got, longest)
		}
		var tape canon.Tape
		tape.Reset(line, make([]byte, len(line)+canon.Room), longest)
		tape.Value(0, 0, 0, 0)
		if tape.Fault() != pipeline.NoReason {
			t.Fatalf("%v: %s", tape.Fault(), number)
		}
		tape.Release()
	})
}
