package healthlake_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// looked is what Look tells of Patients.
func (r *rig) looked(store *healthlake.Store, ids ...string) []deleting.Found {
	r.Helper()
	resources := make([]deleting.Resource, len(ids))
	for i, id := range ids {
		resources[i] = deleting.Resource{Type: "Patient", ID: id}
	}
	all := make([]deleting.Found, len(ids))
	told := 0
	r.check(store.Deletes().Look(r.Context(), resources, func(i int, found deleting.Found) {
		told++
		all[i] = found
	}))
	equal(r.T, told, len(ids))
	return all
}

// Resources are looked at and deleted in batches, as the version that was seen.
func TestDeletes(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		r.batch(store, putEntry("a", 1), putEntry("b", 1), putEntry("c", 1))
		r.batch(store, putEntry("b", 2), deleteEntry("c", ""))
		found := r.looked(store, "a", "b", "c", "d")
		for i, want := range []struct {
			status        int
			version, body string
		}{{200, "1", `"value":1.50`}, {200, "2", `"value":2.50`}, {410, "", ""}, {404, "", ""}} {
			if f := found[i]; f.Status != want.status || f.Version != want.version || !strings.Contains(string(f.Body), want.body) {
				r.Errorf("%d: %d %s %s", i, f.Status, f.Version, f.Body)
			}
		}
		deletion := func(id, version string) deleting.Deletion {
			return deleting.Deletion{Resource: deleting.Resource{Type: "Patient", ID: id}, Version: version}
		}
		time.Sleep(700 * time.Millisecond) // the service tells whole seconds
		before := time.Now()
		statuses, at, err := store.Deletes().Delete(r.Context(), []deleting.Deletion{deletion("a", "1"), deletion("b", "1"), deletion("c", ""), deletion("d", "")})
		r.check(err)
		equal(r.T, statuses, []int{204, 412, 410, 404})
		if at.Before(before) || at.After(before.Add(2*time.Second)) {
			r.Errorf("%v, it was %v", at, before)
		}
	})
}

// What is too large together is looked at in smaller batches; what is too large alone
// is read as a stream, once more if it breaks off.
func TestLookAtLarge(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		var ids []string
		sizes := []int{10, 3 << 20, 3 << 20, 10, 6 << 20, 70 << 20, 10}
		for n, size := range sizes {
			id := fmt.Sprint("p", n)
			ids = append(ids, id)
			r.batch(store, putEntry(id, n))
			r.simulation.Edit(healthlaketest.DatastoreID, "Patient/"+id, func([]byte) []byte {
				return []byte(`{"n":` + fmt.Sprint(n) + `,"data":"` + strings.Repeat("A", size) + `"}`)
			})
		}
		for n, f := range r.looked(store, ids...) {
			want := 200
			if n == 4 || n == 5 {
				want = 413
			}
			if f.Status != want || want == 200 && (f.Version != "1" || !strings.HasPrefix(string(f.Body), fmt.Sprintf(`{"n":%d,`, n))) {
				r.Errorf("%d: %d %s, %d bytes", n, f.Status, f.Version, len(f.Body))
			}
		}
		r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
			traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
				return map[int]healthlaketest.Fault{1: healthlaketest.Truncated, 2: healthlaketest.Throttled}[c.N]
			}
		})
		var size int64
		read := func(id string) (int, string) {
			status, version, err := store.Deletes().Read(r.Context(), deleting.Resource{Type: "Patient", ID: id}, func(body io.Reader) (err error) {
				size, err = io.Copy(io.Discard, body)
				return err
			})
			r.check(err)
			return status, version
		}
		status, version := read("p5")
		equal(r.T, status, 200)
		equal(r.T, version, "1")
		equal(r.T, size, int64(sizes[5]+len(`{"n":5,"data":""}`)))
		status, _ = read("none")
		equal(r.T, status, 404)
		r.batch(store, deleteEntry("p4", ""))
		status, _ = read("p4")
		equal(r.T, status, 410)
	})
}

// An entry that this identity is denied ends it, after other credentials were tried;
// a bundle that is refused as a whole names the setting.
func TestDeniedEntries(t *testing.T) {
	asked, denied := 0, 1
	traps := healthlaketest.Traps{EntryStatus: func(_, url string) int {
		if strings.HasSuffix(url, secretID) {
			if asked++; asked <= denied {
				return http.StatusForbidden
			}
		}
		return 0
	}}
	bubble(t, healthlaketest.Options{Traps: traps, Quotas: healthlaketest.Quotas{Entries: 2}}, func(r *rig) {
		store := r.opened()
		equal(r.T, r.looked(store, secretID)[0].Status, 404)
		asked, denied = 0, 100
		err := store.Deletes().Look(r.Context(), []deleting.Resource{{Type: "Patient", ID: secretID}}, func(int, deleting.Found) { r.Error("told") })
		r.fails(err, pipeline.KindAuth, "access denied")
		equal(r.T, asked, 2)
		_, _, err = store.Deletes().Delete(r.Context(), make([]deleting.Deletion, 3))
		r.fails(err, pipeline.KindFatal, "target.healthlake.bundle_size")
	})
}
