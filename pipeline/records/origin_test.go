package records_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// TestOrigins: every entry of every ledger, of Binaries too, names the object and the
// record that it was read from, and no two name the same.
func TestOrigins(t *testing.T) {
	contentTables(func(name string, tenants []string, tenant string) {
		t.Run(name, func(t *testing.T) {
			j := newContentsJob(t, newTable(t, 60_000, tenants...), tenant)
			j.MustRun(t)
			manifest, err := os.Open(filepath.Join(j.Sink, "_fhirhose", "manifest.json"))
			if err != nil {
				t.Fatal(err)
			}
			objects, err := records.ObjectsInManifest(manifest)
			if err != nil || manifest.Close() != nil || len(objects) < 2 {
				t.Fatal(objects, err)
			}
			rows := make([][]string, len(objects))
			for i, name := range objects {
				rows[i] = rowsIn(t, filepath.Join(j.Export, "data", filepath.Base(name)))
			}
			seen, binaries := map[string]bool{}, 0
			for _, of := range tenants {
				if tenant != "*" && of != tenant {
					continue
				}
				for r, err := range openLedger(t, j.folderOf(of)).Resources(t.Context(), 1<<20) {
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range r.Versions {
						if string(e.Type) == "Binary" {
							binaries++
						}
						at := fmt.Sprintf("record %d of object %d", e.Record, e.Object)
						if seen[at] || int(e.Object) >= len(rows) || e.Record < 1 || e.Record > int64(len(rows[e.Object])) {
							t.Fatalf("%s: twice, or there is none", at)
						}
						seen[at] = true
						row := rows[e.Object][e.Record-1]
						id := fmt.Sprintf(`"id":{"S":%q}`, e.ID)
						if of != "" {
							id = `"_` + id[1:] // what id holds may be wrong
						}
						for _, part := range []string{fmt.Sprintf(`"vid":{"N":"%d"}`, e.Version), id, fmt.Sprintf(`"resourceType":{"S":%q}`, e.Type)} {
							if !strings.Contains(row, part) {
								t.Fatalf("%s has no %s:\n%s", at, part, row)
							}
						}
					}
				}
			}
			if binaries == 0 || len(seen) == binaries {
				t.Errorf("%d entries, %d of Binaries", len(seen), binaries)
			}
		})
	})
}

// openLedger opens the ledger that lies in a folder of the sink.
func openLedger(t testing.TB, folder string) *ledger.Ledger {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "_fhirhose", "ledger", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var segments []ledger.File
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		segments = append(segments, bytes.NewReader(content))
	}
	l, err := ledger.Open(t.Context(), segments)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
