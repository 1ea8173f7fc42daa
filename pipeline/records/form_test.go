package records_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/pipeline/digest"
)

// TestNumberForms: the ledger has the number form of each line, as any reader of the
// line computes it.
func TestNumberForms(t *testing.T) {
	dir := t.TempDir()
	rows := []string{version("a", 1, "AVAILABLE", `"x":{"N":"1.50"}`), version("a", 2, "AVAILABLE", `"x":{"N":"1.5"}`), version("a", 3, "AVAILABLE", `"x":{"N":"15e-1"}`)}
	if _, err := generate.WriteObjects(dir, [][]string{rows}); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, dir)
	j.MustRun(t)
	var d digest.Digester
	forms := map[uint32]bool{}
	for r, err := range openLedger(t, j.Sink).Resources(t.Context(), 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Versions {
			_, name := e.Place()
			text, err := os.ReadFile(filepath.Join(j.Sink, name))
			if err != nil {
				t.Fatal(err)
			}
			line := strings.Split(string(text), "\n")[e.Line]
			sums, _ := d.Resource([]byte(line))
			if e.Form != sums.Form || e.Content != sums.Content || (e.Form == 0) != (e.Version == 2) {
				t.Errorf("version %d has %x, its line %x", e.Version, e.Form, sums.Form)
			}
			forms[e.Form] = true
		}
	}
	if len(forms) != 3 {
		t.Errorf("%d different forms of three versions", len(forms))
	}
}
