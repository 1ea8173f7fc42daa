package binaries

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
)

// TestPrefixes: rows of a tenant look only under its folder, and its orphans are
// only those there. WB8: another's object with the same name is never used.
func TestPrefixes(t *testing.T) {
	p := &Pipeline{contents: newBucket()}
	f := func(job, tenant, want string, reason pipeline.Reason) {
		t.Helper()
		it := newItem()
		it.stub.Tenant, it.stub.ID, it.stub.Version, it.stub.Reason = []byte(tenant), []byte("a.b"), 12, reason
		p.options.Tenant = job
		if got := string(p.appendPrefix(nil, &it.stub)); got != want {
			t.Errorf("job %q, row of %q: %q, want %q", job, tenant, got, want)
		}
	}
	f("", "", "a.b_12.", pipeline.NoReason)
	f("t1", "", "t1/a.b_12.", pipeline.NoReason)
	f("t1", "", "t1/a.b_12.", pipeline.IsDeleted)
	f("t1", "", "", pipeline.OtherTenant)
	f(convert.AllTenants, "t_1", "t_1/a.b_12.", pipeline.NoReason)
	f(convert.AllTenants, "", "", pipeline.TenantMismatch)
	for tenant, want := range map[string]string{"": "", "t1": "t1/", convert.AllTenants: ""} {
		p.options.Tenant = tenant
		if got := p.keysOfJob(); got != want {
			t.Errorf("orphans of job %q: %q", tenant, got)
		}
	}
}

// tenants are names that are beginnings of each other, with what separates.
var tenants = []string{"a", "ab", "a_1", "a-1", "A_b"}

// manyTenants is a table of all tenants: each has rows of the same ids.
func manyTenants(t testing.TB, seed uint64, tenant string) *job {
	r := rand.New(rand.NewPCG(seed, 2))
	b := newBucket()
	var rows []row
	for range 60 {
		of := tenants[r.IntN(len(tenants))]
		one := row{id: []string{"x", "x.1", "a", "ab"}[r.IntN(4)], version: r.IntN(3) + 1, status: []string{"AVAILABLE", "DELETED"}[r.IntN(2)], tenant: of}
		rows = append(rows, one)
		key := fmt.Sprintf("%s/%s_%d.pdf", of, one.id, one.version)
		switch body := []byte(strings.Repeat(of+one.id+"\n", r.IntN(4000))); r.IntN(5) {
		case 0:
		case 1:
			b.old[key] = object{body: body}
		default:
			b.put(key, body)
		}
	}
	for _, of := range tenants {
		b.put(of+"/orphan_1.pdf", nil)
	}
	b.put("x_1.pdf", []byte("no tenant's"))
	b.put("unknown/x_1.pdf", []byte("of a tenant without a record"))
	j := newJob(t, rows, b)
	j.options.Tenant = tenant
	return j
}

// TestAllTenants: a job of all tenants writes under each tenant's folder what a
// job of that tenant alone would, and nothing else.
func TestAllTenants(t *testing.T) {
	for seed := range uint64(5) {
		all := manyTenants(t, seed, convert.AllTenants)
		p, orphans := all.mustRun()
		got := all.tree()
		if orphans.Objects+orphans.Newer != 2 || !strings.Contains(got[OrphansName], `"x_1.pdf"`) || !strings.Contains(got[OrphansName], `"unknown/x_1.pdf"`) {
			t.Errorf("of no tenant: %+v\n%s", orphans, got[OrphansName])
		}
		for _, tenant := range tenants {
			one := manyTenants(t, seed, tenant)
			alone, orphans := one.mustRun()
			want := one.tree()
			if orphans.Objects+orphans.Newer != 1 || strings.Count(want[OrphansName], "\n") != 1 {
				t.Errorf("%s: %+v\n%s", tenant, orphans, want[OrphansName])
			}
			if all.orphans[tenant] != orphans {
				t.Errorf("%s: %+v, alone %+v", tenant, all.orphans[tenant], orphans)
			}
			part := make(map[string]string)
			for name, content := range got {
				if of, rest, _ := strings.Cut(name, "/"); of == tenant {
					part[rest] = content
					delete(got, name)
				}
			}
			if !maps.Equal(part, want) {
				t.Errorf("seed %d, %s: %v, alone %v", seed, tenant, slices.Sorted(maps.Keys(part)), slices.Sorted(maps.Keys(want)))
			}
			a, b := p.Status().Tenants[tenant], alone.Status().Tenants[""]
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("totals %+v, alone %+v", a, b)
			}
		}
		if delete(got, OrphansName); len(got) > 0 {
			t.Errorf("outside of all tenants: %v", slices.Sorted(maps.Keys(got)))
		}
	}
}

// TestTenantsKilled: a job of all tenants that is killed ends as if it had not
// been.
func TestTenantsKilled(t *testing.T) {
	whole := manyTenants(t, 9, convert.AllTenants)
	whole.mustRun()
	want := whole.tree()
	for n := int64(1); n < 120; n += 13 {
		j := manyTenants(t, 9, convert.AllTenants)
		j.options.CutEvery = 1
		j.log()
		k := &process{n: n}
		_ = k.run(j)
		j.started = nil
		j.mustRun()
		if !maps.Equal(j.tree(), want) {
			t.Errorf("another output after a kill at point %d", n)
		}
	}
}
