package cleaning_test

import (
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/cleaning"
)

// TestNames: what is known is known by its whole name, and its size.
func TestNames(t *testing.T) {
	f := func(kind cleaning.KindOf, name string, size int64, want cleaning.Kind) {
		t.Helper()
		if got := kind(name, size); got != want {
			t.Errorf("%s of %d bytes: %q, want %q", name, size, got, want)
		}
	}
	sink := cleaning.InSink(map[string]int64{
		"v1-0/Patient-v1-00000.ndjson": 7, "_fhirhose/ledger/00000.ledger": 8, "_fhirhose/quarantine-Binary-00000.ndjson": 9,
	})
	f(sink, "v1-0/Patient-v1-00000.ndjson", 7, cleaning.Folders)
	f(sink, "v1-0/Patient-v1-00000.ndjson", -1, cleaning.Folders) // a version that is hidden
	f(sink, "v1-0/Patient-v1-00000.ndjson", 8, "")
	f(sink, "v1-0/Patient-v1-00001.ndjson", 7, "")
	f(sink, "_fhirhose/ledger/00000.ledger", 8, cleaning.Ledger)
	f(sink, "_fhirhose/ledger/00001.ledger", 8, "")
	f(sink, "_fhirhose/quarantine-Binary-00000.ndjson", 9, cleaning.Quarantine)
	f(sink, "_fhirhose/orphans.ndjson", 1, cleaning.Quarantine)
	f(sink, "_fhirhose/claim.json", 1, cleaning.Ledger)
	f(sink, "_fhirhose/manifest.json", 1, cleaning.Ledger)
	f(sink, "migration_output.json", 1, cleaning.Folders)
	f(sink, "_fhirhose/audit/000012-abc.ndjson", 1, cleaning.Audit)
	f(sink, "", 0, "")
	f(cleaning.Unless([]string{"a"}, sink), "migration_output.json", 1, cleaning.Folders)
	if kind := cleaning.Unless([]string{"a"}, sink)("a/migration_output.json", 1); kind == "" || kind == cleaning.Folders {
		t.Errorf("%q", kind)
	}
	f(cleaning.InResults, "Manifest.json", 1, cleaning.Results)
	f(cleaning.InResults, "manifest.json", 1, cleaning.Results)
	f(cleaning.InResults, "SUCCESS_WITH_SEARCH_VALIDATION_FAILURES/v1-0/x.ndjson", 1, cleaning.Results)
	f(cleaning.InResults, "v1-0/x.ndjson", 1, "")
	f(cleaning.InResults, "notes/Manifest.json", 1, "")
	f(cleaning.InExport, "data/abc.json.gz", 1, cleaning.Export)
	f(cleaning.InExport, "manifest-summary.json", 1, cleaning.Export)
	f(cleaning.InExport, "manifest-files.md5", 1, cleaning.Export)
	f(cleaning.InExport, "_started", 1, cleaning.Export)
	f(cleaning.InExport, "data/sub/abc.json.gz", 1, "")
	f(cleaning.InExport, "other", 1, "")
	f(cleaning.InVerification, "Patient/Patient-0.ndjson", 1, cleaning.Verification)
	f(cleaning.InVerification, "notes.txt", 1, "")
}
