package healthlake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

func (r *rig) batch(store *healthlake.Store, entries ...healthlake.Entry) []int {
	r.Helper()
	statuses, err := store.Batch(r.Context(), entries)
	r.check(err)
	return statuses
}

func putEntry(id string, value int) healthlake.Entry {
	return healthlake.Entry{Method: "PUT", Type: "Patient", ID: id, Body: []byte(patient(id, value))}
}

func deleteEntry(id, ifMatch string) healthlake.Entry {
	return healthlake.Entry{Method: "DELETE", Type: "Patient", ID: id, IfMatch: ifMatch}
}

func TestReadAndBatch(t *testing.T) {
	traps := healthlaketest.Traps{EntryStatus: func(_, url string) int { return map[string]int{"Patient/busy": 429}[url] }}
	bubble(t, healthlaketest.Options{Traps: traps}, func(r *rig) {
		store := r.opened()
		read := func(id string) healthlake.Resource {
			r.Helper()
			resource, err := store.Read(r.Context(), "Patient", id)
			r.check(err)
			return resource
		}
		equal(r.T, r.batch(store, putEntry("a", 1), putEntry("b", 1), putEntry("busy", 1)), []int{201, 201, 429})
		equal(r.T, r.batch(store, putEntry("a", 2)), []int{200})
		a := read("a")
		equal(r.T, a.State, healthlake.Exists)
		equal(r.T, a.Version, "2")
		if !bytes.Contains(a.Body, []byte(`"value":2.50`)) {
			r.Errorf("%s lacks a digit", a.Body)
		}
		equal(r.T, r.batch(store, deleteEntry("a", "1"), deleteEntry("b", "1"), deleteEntry("c", "")), []int{412, 204, 404})
		equal(r.T, r.batch(store, deleteEntry("b", ""), deleteEntry("b", "1")), []int{410, 412})
		equal(r.T, read("a").State, healthlake.Exists)
		equal(r.T, read("b").State, healthlake.Deleted)
		equal(r.T, read("c").State, healthlake.Missing)

		count, err := store.Count(r.Context(), "Patient")
		r.check(err)
		equal(r.T, count, 1)
	})
}

func TestHistory(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		for n := range 45 {
			r.batch(store, putEntry("a", n))
		}
		r.batch(store, deleteEntry("a", ""))
		versions, err := store.History(r.Context(), "Patient", "a")
		r.check(err)
		equal(r.T, len(versions), 46)
		equal(r.T, versions[0], healthlake.Version{Number: "46"})
		for i, v := range versions[1:] {
			if v.Number != fmt.Sprint(45-i) || !bytes.Contains(v.Body, fmt.Appendf(nil, `"value":%d.50`, 44-i)) {
				r.Errorf("version %d is %s %s", 45-i, v.Number, v.Body)
			}
		}
		versions, err = store.History(r.Context(), "Patient", secretID)
		r.check(err)
		equal(r.T, len(versions), 0)
		r.fault(healthlaketest.Forbidden, "history")
		_, err = store.History(r.Context(), "Patient", secretID)
		r.fails(err, pipeline.KindAuth, "access denied")
	})
}

// roundabout answers every page with the first.
type roundabout struct{ *healthlaketest.Simulation }

func (t roundabout) Do(q *http.Request) (*http.Response, error) {
	query := q.URL.Query()
	query.Del("page")
	q.URL.RawQuery = query.Encode()
	return t.Transport().RoundTrip(q)
}

func TestHistoryThatHasNoEnd(t *testing.T) {
	o := healthlaketest.Options{Stores: []healthlaketest.Store{{ID: healthlaketest.DatastoreID, Bearer: func(string) bool { return true }}}}
	bubble(t, o, func(r *rig) {
		store := r.opened(func(o *healthlake.Options) {
			o.HTTPClient = roundabout{r.simulation}
			o.Token = func(context.Context, bool) (string, error) { return "token", nil }
		})
		for n := range 21 {
			r.batch(store, putEntry(secretID, n))
		}
		_, err := store.History(r.Context(), "Patient", secretID)
		r.fails(err, pipeline.KindFatal, "go round")
	})
}

// A delete whose answer was lost is told of by its status.
func TestLostDelete(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		r.batch(store, putEntry("a", 1))
		r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
			traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
				return map[int]healthlaketest.Fault{2: healthlaketest.Lost}[c.N]
			}
		})
		equal(r.T, r.batch(store, deleteEntry("a", "")), []int{410})
	})
}

func TestLargeBundleIsRefused(t *testing.T) {
	bubble(t, healthlaketest.Options{Quotas: healthlaketest.Quotas{Entries: 1}}, func(r *rig) {
		_, err := r.opened().Batch(r.Context(), []healthlake.Entry{putEntry(secretID, 1), deleteEntry(secretID, "")})
		r.fails(err, pipeline.KindFatal, "status 400")
	})
}

func TestTooLarge(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		r.simulation.Edit(healthlaketest.DatastoreID, "Binary/"+secretID, func([]byte) []byte {
			return []byte(`{"data":"` + strings.Repeat("A", 64<<20) + `"}`)
		})
		_, err := store.Read(r.Context(), "Binary", secretID)
		r.fails(err, pipeline.KindOther, "64 MiB")
		if !errors.Is(err, healthlake.ErrTooLarge) {
			r.Error(err)
		}
	})
}

func TestPace(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened(func(o *healthlake.Options) { o.RequestsPerSecond = 2 })
		took := takes(func() {
			for range 22 {
				_, err := store.Read(r.Context(), "Patient", "a")
				r.check(err)
			}
		})
		equal(r.T, took, 10*time.Second)
	})
}

func TestSMART(t *testing.T) {
	good := "token-1"
	o := healthlaketest.Options{Stores: []healthlaketest.Store{{
		ID: healthlaketest.DatastoreID, Bearer: func(token string) bool { return token == good },
	}}}
	bubble(t, o, func(r *rig) {
		token, refusals := "token-1", 0
		store := r.opened(func(o *healthlake.Options) {
			o.Token = func(_ context.Context, refused bool) (string, error) {
				if refused {
					refusals++
					token = fmt.Sprint("token-", refusals+1)
				}
				return token, nil
			}
		})
		read := func() {
			r.Helper()
			resource, err := store.Read(r.Context(), "Patient", "a")
			r.check(err)
			equal(r.T, resource.State, healthlake.Missing)
		}
		read()
		r.simulation.SetTraps(func(*healthlaketest.Traps) { good = "token-2" })
		read()
		read()
		equal(r.T, refusals, 1)
		equal(r.T, r.simulation.Calls()["read"], 4)

		failing := r.opened(func(o *healthlake.Options) {
			o.Token = func(context.Context, bool) (string, error) { return "", errors.New(healthlaketest.ServerText) }
			o.CredentialPatience = time.Minute
		})
		_, err := failing.Read(r.Context(), "Patient", secretID)
		r.fails(err, pipeline.KindAuth, "no valid credentials")
	})
}

// TestTypes: those of the capability statement.
func TestTypes(t *testing.T) {
	for _, types := range [][]string{{"Patient", "Binary"}, {}} {
		stores := []healthlaketest.Store{{ID: healthlaketest.DatastoreID, Types: types}}
		bubble(t, healthlaketest.Options{Stores: stores}, func(r *rig) {
			taken, err := r.opened().Types(r.Context())
			if len(types) == 0 {
				r.fails(err, pipeline.KindFatal, "names no resource type")
				return
			}
			r.check(err)
			equal(t, taken, map[string]bool{"Patient": true, "Binary": true})
		})
	}
}

// TestCredentials: what is known of their end, and whose key encrypts the store.
func TestCredentials(t *testing.T) {
	stores := []healthlaketest.Store{{ID: healthlaketest.DatastoreID, KMSKey: "arn:key"}}
	bubble(t, healthlaketest.Options{Stores: stores}, func(r *rig) {
		store := r.opened()
		c, err := store.Credentials(r.Context())
		r.check(err)
		equal(t, c, healthlake.Credentials{Source: "EnvConfigCredentials"})
		d, err := store.Describe(r.Context())
		r.check(err)
		equal(t, d.KMSKey, "arn:key")
		equal(t, store.Region(), "us-east-1")
	})
}
