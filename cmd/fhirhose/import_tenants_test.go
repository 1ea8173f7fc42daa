package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// storesOfTenants is where each tenant's resources belong.
var storesOfTenants = map[string]string{"clinic-a": healthlaketest.DatastoreID, "clinic_B": "second"}

// newTenantsRig has the same patients for each tenant.
func newTenantsRig(t *testing.T, traps healthlaketest.Traps) *importRig {
	t.Helper()
	r := newImportRig(t, traps)
	r.jobFile = strings.Replace(importJobFile, "source: {", `source: {tenant: "*", `, 1)
	r.jobFile = strings.Replace(r.jobFile, "datastore: "+healthlaketest.DatastoreID,
		"datastores: {clinic-a: "+healthlaketest.DatastoreID+", clinic_B: second}", 1)
	var rows []string
	for tenant := range storesOfTenants {
		rows = append(rows, patientRows(`"id":{"S":"`, `"_tenantId":{"S":"`+tenant+`"},"_id":{"S":"`+recordstest.Canary+`-TENANT"},"id":{"S":"`+tenant+`|`)...)
	}
	for i, row := range rows { // _id is what follows the tenant in id
		_, id, _ := strings.Cut(row, "|")
		id, _, _ = strings.Cut(id, `"`)
		rows[i] = strings.Replace(row, recordstest.Canary+"-TENANT", id, 1)
	}
	r.export(rows)
	return r
}

// TestImportTenants: each tenant's folders go to its own data store, one tenant
// after the other, in order, once.
func TestImportTenants(t *testing.T) {
	r := newTenantsRig(t, healthlaketest.Traps{}).moved()
	for _, o := range []struct{ words, stores string }{
		{"no data store for tenant clinic_B", "clinic-a=second"},
		{"no data store for tenant clinic_B", "clinic-a=second,clinic_b=other"},
		{"for tenant clinic-a and for tenant clinic_B", "clinic-a=second,clinic_B=second"},
		{"use data store second: not found", "clinic-a=" + healthlaketest.DatastoreID + ",clinic_B=third"},
	} {
		r.run(2, "import", "--target.healthlake.datastores="+o.stores)
	}
	if n := r.starts(); n != 0 {
		t.Errorf("%d jobs", n)
	}
	r.run(0, "import")
	r.says("job a: 6 of 6 folders imported", "tenant    clinic-a: 3 of 3 folders", "tenant    clinic_B: 3 of 3 folders",
		"15 imported, 0 refused", "deletes   1 applied", "30 imported, 0 refused, of 2 tenants")
	for _, violation := range r.simulation.Violations() {
		t.Error(violation)
	}
	for tenant, store := range storesOfTenants {
		if n := len(r.simulation.Current(store)); n != patients-1 { // the first is deleted
			t.Errorf("%d resources in the store of %s", n, tenant)
		}
	}
	r.run(0, "import", "--json")
	var s importSummary
	if err := json.Unmarshal(r.out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if n := r.starts(); n != 6 || !s.Done || s.Imported != 30 || len(s.Stores) != 2 || s.Stores[1].Tenant != "clinic_B" ||
		!strings.HasSuffix(s.Stores[1].Datastore, "/second") || s.Stores[1].Imported != 15 || len(s.Stores[1].Folders) != 3 ||
		s.Stores[1].Deletes == nil || s.Stores[1].Deletes.Deleted != 1 {
		t.Errorf("%d jobs; %+v", n, s)
	}
	// Stores that are swapped are noticed.
	r.run(2, "import", "--target.healthlake.datastores=clinic-a=second,clinic_B="+healthlaketest.DatastoreID)
	r.says("into another store")
	r.run(2, "move", "--restart", "--yes")
	r.says("its folders were sent to a target")
}

// TestImportTenantsIntoOneStore: folders of several tenants go into no common store,
// though the settings say since that there are none.
func TestImportTenantsIntoOneStore(t *testing.T) {
	r := newTenantsRig(t, healthlaketest.Traps{}).moved()
	r.jobFile = importJobFile
	for _, tenant := range []string{"", "clinic-a"} {
		r.run(2, "import", "--source.tenant="+tenant)
		r.says("was moved with source.tenant")
	}
	if n := r.starts(); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// TestImportTenantGivenUp: a tenant whose folder failed is named with it, and no
// tenant after it is begun.
func TestImportTenantGivenUp(t *testing.T) {
	fail := true
	r := newTenantsRig(t, healthlaketest.Traps{Fail: func(name string) (int64, string) {
		if fail && strings.Contains(name, "v2-0") {
			return 2, "because of " + recordstest.Canary
		}
		return 0, ""
	}}).moved()
	r.run(7, "import")
	r.says("import clinic-a/v2-0: the target gave up", "--again clinic-a/v2-0", "tenant    clinic-a: 1 of 3", "tenant    clinic_B: 0 of 3",
		"not in    clinic-a/v2-0")
	for _, name := range []string{"v2-0", "clinic-a/v1-0", "clinic_B/v2-0", "nobody/v2-0"} {
		r.run(2, "import", "--again", name)
	}
	if n := r.starts(); n != 2 {
		t.Errorf("%d jobs", n)
	}
	r.simulation.SetTraps(func(*healthlaketest.Traps) { fail = false })
	r.run(0, "import", "--again", "clinic-a/v2-0")
	if n := r.starts(); n != 7 {
		t.Errorf("%d jobs", n)
	}
}

// TestImportTenantRefused: what the store of one tenant refuses is kept apart, and
// holds up the next only if the job says so.
func TestImportTenantRefused(t *testing.T) {
	r := newTenantsRig(t, healthlaketest.Traps{Refuse: func(key string, body []byte) string {
		if strings.HasSuffix(key, "-1") && strings.Contains(string(body), `"multipleBirthInteger":2`) {
			return "because of " + recordstest.Canary
		}
		return ""
	}}).moved()
	r.run(3, "import")
	r.says("import clinic-a/v2-0: the target has refused resources: 1 of 5", "tenant    clinic_B: 0 of 3")
	r.run(3, "import", "--target.healthlake.on_import_error=continue")
	r.says("job a: 6 of 6 folders imported", "28 imported, 2 refused, of 2 tenants", "refused   1 of clinic_B/v2-0")
	for tenant := range storesOfTenants {
		if _, err := os.Stat(importing.Failures(filepath.Join(r.dir, "state"), tenant, "v2-0")); err != nil {
			t.Error(err)
		}
	}
}

// TestImportTenantIsRefused: no tenant is begun when the sink of another is not as
// the move has left it.
func TestImportTenantIsRefused(t *testing.T) {
	r := newTenantsRig(t, healthlaketest.Traps{}).moved()
	for _, name := range []string{"_fhirhose/claim.json", "migration_output.json"} {
		key := "out/clinic_B/a/" + name
		was := r.memory.Objects()[key]
		r.memory.Delete(key)
		r.run(7, "import")
		r.says("out/clinic_B/a")
		r.memory.Put(key, was)
	}
	if n := r.starts(); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// TestImportTenantsDeletes: what stays in one data store keeps no other tenant back.
func TestImportTenantsDeletes(t *testing.T) {
	refuses := true
	r := newTenantsRig(t, healthlaketest.Traps{EntryStatus: func(method, _ string) int {
		if method == "DELETE" && refuses {
			return 409
		}
		return 0
	}}).moved()
	for _, words := range []string{"deletes   0 applied", "deletes   1 applied"} {
		r.run(map[bool]int{true: 3, false: 0}[refuses], "import")
		if n := strings.Count(r.out.String(), words); n != 2 {
			t.Errorf("%d times %q:\n%s", n, words, &r.out)
		}
		r.simulation.SetTraps(func(*healthlaketest.Traps) { refuses = false })
	}
	for tenant, store := range storesOfTenants {
		if n := len(r.simulation.Current(store)); n != patients-1 {
			t.Errorf("%d resources in the store of %s", n, tenant)
		}
	}
}
