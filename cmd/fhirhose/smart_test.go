package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// TestSMARTStore: a store that takes tokens is imported into, deletes are sent to it,
// and it is verified. The client comes from the environment, or from .env.
func TestSMARTStore(t *testing.T) {
	r := &verifyRig{importRig: newImportRig(t, healthlaketest.Traps{})}
	r.export(verifyRows())
	r.moved()
	const smart = "--target.healthlake.datastore=smart"
	r.run(2, "import", smart)
	r.says("takes bearer tokens", "HEALTHLAKE_SMART_CLIENT_ID")
	t.Setenv("HEALTHLAKE_SMART_CLIENT_ID", "c")
	t.Setenv("HEALTHLAKE_SMART_CLIENT_SECRET", recordstest.Canary+"x")
	r.run(12, "import", smart)
	r.says("invalid_client")
	dotenv := "HEALTHLAKE_SMART_CLIENT_SECRET=" + recordstest.Canary + "\n"
	if err := os.WriteFile(filepath.Join(r.dir, ".env"), []byte(dotenv), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Unsetenv("HEALTHLAKE_SMART_CLIENT_SECRET"); err != nil {
		t.Fatal(err)
	}
	r.run(0, "import", smart)
	for _, mode := range []string{"counts", "sample", "history"} {
		r.run(0, "verify", smart, "--mode", mode)
		r.says("passed")
	}
	if n := r.simulation.Calls()["token"]; n < 3 {
		t.Errorf("%d tokens", n)
	}
}
