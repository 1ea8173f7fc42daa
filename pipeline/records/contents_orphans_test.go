package records_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// orphansTable has tenants whose names begin alike, one of them without Binaries,
// and objects that are theirs by no more than their names' beginning.
func orphansTable(t testing.TB) *table {
	b := emptyTable(t)
	b.rows = []string{
		binaryRow("a", "x", 1, "AVAILABLE"), binaryRow("ab", "x", 1, "AVAILABLE"),
		triple{tenantID: "quiet", plainID: "p", id: "quiet|p"}.row(0, "AVAILABLE"),
		triple{tenantID: "a.b", plainID: "p", id: "a.b|p"}.row(1, "AVAILABLE"), // no name of a tenant
	}
	for _, key := range []string{
		"a/x_1.pdf", "ab/x_1.pdf", // named
		"a/x_2.pdf", "a/b/c.pdf", "ab/y_1.pdf", "quiet/z_1.pdf",
		"a", "quiet", "a-b/x_1.pdf", "a.b/p_1.pdf", "abc/x_1.pdf", "unknown/x_1.pdf", "Quiet/x_1.pdf",
	} {
		if key == "a" || key == "quiet" {
			key += ".pdf" // in a directory both cannot be
		}
		b.put(b.contents, key, 10)
	}
	b.exportRows([][]string{b.rows[:2], b.rows[2:]})
	return b
}

// TestOrphansOfTenants: an object that no row names is in the list of the tenant
// under whose prefix it lies, and in no other; that of no known tenant in the job's
// own. One tenant's list is what a job of it alone writes.
func TestOrphansOfTenants(t *testing.T) {
	b := orphansTable(t)
	j := newContentsJob(t, b, "*")
	s := j.MustRun(t).Status()
	want := map[string][]string{
		"a": {"a/b/c.pdf", "a/x_2.pdf"}, "ab": {"ab/y_1.pdf"}, "quiet": {"quiet/z_1.pdf"},
		"": {"Quiet/x_1.pdf", "a-b/x_1.pdf", "a.b/p_1.pdf", "a.pdf", "abc/x_1.pdf", "quiet.pdf", "unknown/x_1.pdf"},
	}
	all := int64(0)
	for tenant, keys := range want {
		same(t, tenant, orphansIn(t, j.folder(tenant)), keys)
		if o := s.Tenants[tenant].Binaries.Orphans; o.Objects != int64(len(keys)) || o.Bytes != 10*o.Objects || o.Newer != 0 || o.Oldest.IsZero() {
			t.Errorf("%q: %+v", tenant, o)
		}
		all += int64(len(keys))
		if tenant == "" {
			continue
		}
		alone := newContentsJob(t, b, tenant)
		alone.MustRun(t)
		list := filepath.Join("_fhirhose", "orphans.ndjson")
		ours, err := os.ReadFile(filepath.Join(j.folder(tenant), list))
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := os.ReadFile(filepath.Join(alone.Sink, list)); err != nil || string(ours) != string(theirs) {
			t.Errorf("%s: alone\n%s\n%v", tenant, theirs, err)
		}
	}
	if o := s.Binaries.Orphans; o.Objects != all || len(s.Tenants) != len(want) || len(s.Unbalanced()) > 0 {
		t.Errorf("%+v of %d tenants, unbalanced %v", o, len(s.Tenants), s.Unbalanced())
	}
	if again := j.MustRun(t).Status(); again.Tenants["quiet"].Binaries.Orphans.All() != 1 {
		t.Errorf("the finished job says %+v", again.Tenants["quiet"].Binaries)
	}
}

// TestKillWhileOrphansAreListed: the lists of all tenants are the same after a
// kill between any two of them.
func TestKillWhileOrphansAreListed(t *testing.T) {
	b := orphansTable(t)
	recordstest.KillAtEveryPoint(t, func(t *testing.T) recordstest.Job { return newContentsJob(t, b, "*").Job }, "rename", "commit")
}
