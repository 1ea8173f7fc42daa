package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// refuseSecond refuses version 2 of the patients whose ids end so.
func refuseSecond(ends ...string) func(key string, body []byte) string {
	return func(key string, body []byte) string {
		for _, end := range ends {
			if strings.HasSuffix(key, end) && strings.Contains(string(body), `"multipleBirthInteger":2`) {
				return "because of " + recordstest.Canary
			}
		}
		return ""
	}
}

// TestQuarantineList: counts and places of what was not moved and what was refused,
// without an id (WI7: the replaced tool reads neither manifest nor FAILURE files).
func TestQuarantineList(t *testing.T) {
	bad := recordstest.CanaryRow(7, `{"N":"3"}`, `{"N":"`+recordstest.Canary+`"}`)
	r := newImportRig(t, healthlaketest.Traps{Refuse: refuseSecond("-1", "-2")}, bad, recordstest.Canary+" is not JSON")
	r.run(2, "quarantine", "list")
	r.run(3, "move")
	r.run(0, "quarantine", "list")
	r.says("the move has quarantined 2 records", "1  Patient              bad-number: a number is none", "1  unreadable           not-json: the line is not JSON",
		"kept in s3://bucket/out/a/_fhirhose/quarantine-00000.ndjson (PHI)", "HealthLake has refused 0 resources")
	r.run(3, "import", "--on_quarantine=continue", "--target.healthlake.on_import_error=continue")
	r.run(0, "quarantine", "list", "--json")
	var s quarantineSummary
	if err := json.Unmarshal(r.out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	kept := importing.Failures(filepath.Join(r.dir, "state"), "", "v2-0")
	if len(s.Moved) != 2 || len(s.Files) != 1 || len(s.Refused) != 1 || s.Refused[0].Type != "Patient" || s.Refused[0].Folder != "v2-0" ||
		s.Refused[0].Records != 2 || len(s.Kept) != 1 || s.Kept[0] != kept {
		t.Errorf("%+v", s)
	}
	r.run(0, "quarantine", "list")
	r.says("2  Patient              "+s.Refused[0].Reason+", of v2-0", "kept in "+kept)
	r.run(0, "quarantine", "list", "--records")
	r.says(".json.gz:3 bad-number:multipleBirthInteger\n", ".json.gz:4 not-json\n", "v2-0/Patient-v2-00000.ndjson, line ")
	r.run(0, "quarantine", "list", "--records", "--json")
	if n := strings.Count(r.out.String(), `"reason":"`); n != 4 {
		t.Errorf("%d records:\n%s", n, r.out.String())
	}
	r.run(2, "quarantine", "show")
}

// TestQuarantineListOfTenants tells them apart.
func TestQuarantineListOfTenants(t *testing.T) {
	r := newTenantsRig(t, healthlaketest.Traps{Refuse: refuseSecond("-1")}).moved()
	r.run(3, "import", "--target.healthlake.on_import_error=continue")
	r.run(0, "quarantine", "list")
	r.says("the move has quarantined 0 records", "HealthLake has refused 2 resources", ", of clinic-a: v2-0", ", of clinic_B: v2-0")
	r.run(0, "quarantine", "list", "--records")
	r.says("clinic-a: v2-0/Patient-v2-00000.ndjson, line ", "clinic_B: v2-0/")
}
