package healthlaketest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// answer is the answer of the REST API.
type answer struct {
	status int
	etag   string
	body   string
}

// call makes a signed call of the REST API. header is name, value, name, value.
func (r *rig) call(method, path, body string, header ...string) answer {
	r.Helper()
	return r.send(r.sign(r.newRequest(method, path, body, header...), body))
}

func (r *rig) sign(q *http.Request, body string) *http.Request {
	r.Helper()
	sum := sha256.Sum256([]byte(body))
	r.check(v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: healthlaketest.AccessKey, SecretAccessKey: healthlaketest.SecretKey},
		q, hex.EncodeToString(sum[:]), healthlaketest.Service, "us-east-1", time.Now()))
	return q
}

func (r *rig) newRequest(method, path, body string, header ...string) *http.Request {
	r.Helper()
	where := path
	if !strings.Contains(path, "://") {
		where = r.base() + path
	}
	q, err := http.NewRequestWithContext(r.Context(), method, where, strings.NewReader(body))
	r.check(err)
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	return q
}

func (r *rig) base() string {
	if r.server == nil {
		return "http://healthlake.example/datastore/" + store + "/r4/"
	}
	return r.server.URL + "/datastore/" + store + "/r4/"
}

func (r *rig) send(q *http.Request) answer {
	r.Helper()
	out, err := r.http.Do(q)
	r.check(err)
	defer func() { _ = out.Body.Close() }()
	body, err := io.ReadAll(out.Body)
	r.check(err)
	return answer{out.StatusCode, out.Header.Get("ETag"), string(body)}
}

// bundle is what clients read of a Bundle.
type bundle struct {
	Type  string
	Total int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		Resource *struct {
			Meta struct{ VersionID string }
		}
		Request  struct{ Method string }
		Response struct {
			Status, ETag string
			Outcome      *struct{ ResourceType string }
		}
	}
}

func (r *rig) bundle(a answer) (b bundle) {
	r.Helper()
	equal(r.T, a.status, 200)
	r.check(json.Unmarshal([]byte(a.body), &b))
	return b
}

func (b bundle) statuses() (all []string) {
	for _, e := range b.Entry {
		all = append(all, e.Response.Status)
	}
	return all
}

func TestReadAndHistory(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"))
	r.put("in/v2-0/Patient-v2-00000.ndjson", patient("a", "2.0"))
	r.run(request("in/v1-0/"))
	r.run(request("in/v2-0/"))

	a := r.call("GET", "Patient/a", "")
	equal(t, a.status, 200)
	equal(t, a.etag, `W/"2"`)
	if !strings.Contains(a.body, `"value":2.0`) || !strings.Contains(a.body, `"versionId":"2"`) {
		t.Error(a.body)
	}
	if a := r.call("GET", "Patient/a/_history/1", ""); a.etag != `W/"1"` || !strings.Contains(a.body, `"value":1,`) {
		t.Error(a)
	}
	equal(t, r.call("GET", "Patient/a/_history/3", "").status, 404)
	equal(t, r.call("GET", "Patient/none", "").status, 404)
	equal(t, r.call("GET", "Patient/none/_history", "").status, 404)
	equal(t, r.call("GET", "Patient/a/b/c", "").status, 404)

	equal(t, r.call("DELETE", "Patient/a", "", "If-Match", `W/"1"`).status, 412)
	equal(t, r.call("DELETE", "Patient/a", "", "If-Match", `W/"2"`).status, 204)
	equal(t, r.call("GET", "Patient/a", "").status, 410)
	equal(t, r.call("GET", "Patient/a/_history/3", "").status, 410)
	equal(t, r.call("GET", "Patient/a/_history/2", "").status, 200)
	equal(t, r.call("DELETE", "Patient/a", "").status, 410)
	equal(t, r.call("DELETE", "Patient/none", "").status, 404)
	equal(t, r.call("PUT", "Patient/a", patient("a", "4"), "If-None-Match", "*").status, 412) // the id stays taken
	equal(t, r.call("PUT", "Patient/a", patient("b", "4")).status, 400)
	equal(t, r.call("PUT", "Patient/a", patient("a", "4")).etag, `W/"4"`)
	equal(t, r.call("PUT", "Patient/new", patient("new", "1")).status, 201)

	history := r.bundle(r.call("GET", "Patient/a/_history", ""))
	equal(t, history.Type, "history")
	equal(t, history.Total, 4)
	var got []string
	for _, e := range history.Entry {
		got = append(got, e.Request.Method+e.Response.Status+e.Response.ETag)
		equal(t, e.Resource == nil, e.Request.Method == http.MethodDelete)
	}
	equal(t, got, []string{`PUT200W/"4"`, `DELETE204W/"3"`, `PUT200W/"2"`, `PUT200W/"1"`})
	equal(t, r.simulation.Violations(), nil)
}

// The link to the next page carries a bare =, which is no signable query.
func TestHistoryPages(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	for n := range 5 {
		r.call("PUT", "Patient/a", patient("a", fmt.Sprint(n)))
	}
	first := r.bundle(r.call("GET", "Patient/a/_history?_count=2", ""))
	equal(t, len(first.Entry), 2)
	next := first.Link[0].URL
	if !strings.HasSuffix(next, "=") || !strings.Contains(next, "page=+") {
		t.Fatalf("%s has no bare = and +", next)
	}
	q := r.sign(r.newRequest("GET", next, ""), "")
	_, q.URL.RawQuery, _ = strings.Cut(next, "?")
	equal(t, r.send(q).status, 403)

	seen := len(first.Entry)
	for page := first; len(page.Link) > 0; seen += len(page.Entry) {
		where, token, _ := strings.Cut(page.Link[0].URL, "&page=")
		page = r.bundle(r.call("GET", where+"&page="+url.QueryEscape(token), ""))
	}
	equal(t, seen, 5)
	equal(t, r.call("GET", "Patient/a/_history?_count=101", "").status, 400)
	equal(t, r.call("GET", "Patient/a/_history?page=x", "").status, 400)
}

func TestBatch(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Quotas: healthlaketest.Quotas{Entries: 7}, Traps: healthlaketest.Traps{
		EntryStatus: func(_, url string) int {
			if url == "Patient/busy" {
				return 429
			}
			return 0
		},
	}})
	for _, id := range []string{"a", "b", "busy"} {
		equal(t, r.call("PUT", "Patient/"+id, patient(id, "1")).status, 201)
	}
	batch := func(entries ...string) answer {
		return r.call("POST", "", `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Join(entries, ",")+`]}`)
	}
	entry := func(method, url, more string) string {
		return fmt.Sprintf(`{"request":{"method":%q,"url":%q%s}}`, method, url, more)
	}
	b := r.bundle(batch(
		entry("DELETE", "Patient/a", `,"ifMatch":"W/\"1\""`),
		entry("DELETE", "Patient/b", `,"ifMatch":"W/\"2\""`),
		entry("DELETE", "Patient/none", ""),
		entry("DELETE", "Patient/busy", ""),
		entry("GET", "Patient/b", ""),
		`{"resource":`+patient("c", "1")+`,"request":{"method":"PUT","url":"Patient/c"}}`,
		entry("PATCH", "Patient/b", ""),
	))
	equal(t, b.Type, "batch-response")
	equal(t, b.statuses(), []string{"204", "412", "404", "429", "200", "201", "400"})
	equal(t, b.Entry[4].Resource.Meta.VersionID, "1")
	equal(t, b.Entry[2].Response.Outcome.ResourceType, "OperationOutcome")
	equal(t, r.call("GET", "Patient/a", "").status, 410)
	equal(t, r.call("GET", "Patient/busy", "").status, 200)

	// Nothing promises that entries are carried out in their order.
	b = r.bundle(batch(entry("DELETE", "Patient/b", ""), entry("GET", "Patient/b", "")))
	equal(t, b.statuses(), []string{"204", "200"})
	// Deleted by an attempt whose answer was lost: 410 is no error.
	equal(t, r.bundle(batch(entry("DELETE", "Patient/a", ""))).statuses(), []string{"410"})

	get := entry("GET", "Patient/b", "")
	equal(t, batch(get, get, get, get, get, get, get, get).status, 400)
	equal(t, r.call("POST", "", `{"resourceType":"Bundle","type":"transaction"}`).status, 400)
	equal(t, r.call("POST", "", `{`).status, 400)
}

func TestCounts(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	count := func(query string) int { return r.bundle(r.call("GET", query, "")).Total }
	for _, id := range []string{"a", "b"} {
		r.call("PUT", "Patient/"+id, patient(id, "1"))
	}
	equal(t, count("Patient?_summary=count"), 2)
	equal(t, count("Patient?_total=accurate&_count=1"), 2)
	equal(t, count("Pat?_summary=count"), 0)
	r.call("DELETE", "Patient/a", "")
	equal(t, count("Patient?_summary=count"), 1)
	for _, query := range []string{"?_total=estimate", "?_summary=count&_elements=id", "?_count=1000&_total=accurate", ""} {
		equal(t, r.call("GET", "Patient"+query, "").status, 400)
	}
}

func TestLag(t *testing.T) {
	traps := healthlaketest.Traps{SearchLag: 20 * time.Second, HistoryLag: 5 * time.Minute}
	bubble(t, healthlaketest.Options{Traps: traps}, func(r *rig) {
		count := func() int { return r.bundle(r.call("GET", "Patient?_summary=count", "")).Total }
		history := func() int {
			return r.bundle(r.call("GET", "Patient/a/_history", "", "X-Amz-Fhir-History-Consistency-Level", "strong")).Total
		}
		r.call("PUT", "Patient/a", patient("a", "1"))
		equal(r.T, r.call("GET", "Patient/a", "").status, 200)
		equal(r.T, [2]int{count(), history()}, [2]int{0, 0})
		time.Sleep(20 * time.Second)
		equal(r.T, [2]int{count(), history()}, [2]int{1, 0})
		r.call("DELETE", "Patient/a", "")
		equal(r.T, [2]int{count(), history()}, [2]int{1, 0})
		time.Sleep(280 * time.Second)
		equal(r.T, [2]int{count(), history()}, [2]int{0, 1})
		time.Sleep(20 * time.Second)
		equal(r.T, history(), 2)
	})
}

func TestWhoIsLetIn(t *testing.T) {
	good := "token-1"
	r := newRig(t, healthlaketest.Options{Stores: []healthlaketest.Store{
		{ID: store}, {ID: "smart", Bearer: func(token string) bool { return token == good }},
	}})
	smart := r.server.URL + "/datastore/smart/r4/Patient/a"
	bearer := func(where, token string) int {
		return r.send(r.newRequest("GET", where, "", "Authorization", "Bearer "+token)).status
	}
	equal(t, r.send(r.newRequest("GET", "Patient/a", "")).status, 401)
	equal(t, bearer("Patient/a", "token-1"), 403)
	equal(t, bearer(smart, "token-1"), 404)
	equal(t, bearer(smart, "token-2"), 401)
	r.simulation.SetTraps(func(*healthlaketest.Traps) { good = "token-2" }) // tokens expire in between
	equal(t, bearer(smart, "token-1"), 401)
	equal(t, bearer(smart, "token-2"), 404)
	equal(t, r.call("GET", smart, "").status, 401) // a signature is no token
	equal(t, r.call("GET", r.server.URL+"/datastore/none/r4/Patient/a", "").status, 404)
}

func TestRESTFaults(t *testing.T) {
	var fault healthlaketest.Fault
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{
		Fault: func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "update" || c.Op == "delete" {
				return fault
			}
			return healthlaketest.NoFault
		},
		Refuse: func(key string, _ []byte) string { return map[string]string{"Patient/bad": "it is bad"}[key] },
	}})
	equal(t, r.call("PUT", "Patient/a", patient("a", "1")).status, 201)
	equal(t, r.call("PUT", "Patient/bad", patient("bad", "1")).status, 400)
	f := func(with healthlaketest.Fault, want int) {
		t.Helper()
		r.simulation.SetTraps(func(*healthlaketest.Traps) { fault = with })
		a := r.call("PUT", "Patient/a", patient("a", "1"))
		equal(t, a.status, want)
		if !strings.Contains(a.body, "OperationOutcome") || !strings.Contains(a.body, healthlaketest.ServerText) {
			t.Errorf("%s lacks the words of the server", a.body)
		}
	}
	f(healthlaketest.Throttled, 429)
	f(healthlaketest.ServerError, 500)
	f(healthlaketest.Unauthorized, 401)
	f(healthlaketest.Forbidden, 403)
	equal(t, r.call("GET", "Patient/a", "").etag, `W/"1"`)
	for _, lost := range []healthlaketest.Fault{healthlaketest.Reset, healthlaketest.Lost} {
		r.simulation.SetTraps(func(*healthlaketest.Traps) { fault = lost })
		if out, err := r.http.Do(r.sign(r.newRequest("DELETE", "Patient/a", ""), "")); err == nil {
			_ = out.Body.Close()
			t.Errorf("%s: the answer came", lost)
		}
		want := map[healthlaketest.Fault]int{healthlaketest.Reset: 200, healthlaketest.Lost: 410}[lost]
		equal(t, r.call("GET", "Patient/a", "").status, want)
	}
}

// Edit plants what a verification has to find.
func TestEdit(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	for _, id := range []string{"changed", "lost", "deleted"} {
		r.call("PUT", "Patient/"+id, patient(id, "1.50"))
	}
	body := r.simulation.Current(store)["Patient/deleted"]
	r.call("DELETE", "Patient/deleted", "")
	edit := func(key string, change func([]byte) []byte) { r.simulation.Edit(store, key, change) }
	edit("Patient/changed", func(b []byte) []byte { return bytes.Replace(b, []byte("1.50"), []byte("1.5"), 1) })
	edit("Patient/lost", func([]byte) []byte { return nil })
	edit("Patient/extra", func(b []byte) []byte {
		equal(t, b == nil, true)
		return []byte(patient("extra", "1"))
	})
	edit("Patient/deleted", func([]byte) []byte { return body })
	status := map[string]int{"changed": 200, "lost": 404, "extra": 200, "deleted": 200}
	for id, want := range status {
		a := r.call("GET", "Patient/"+id, "")
		equal(t, a.status, want)
		if id == "changed" && !strings.Contains(a.body, `"value":1.5,`) {
			t.Error(a.body)
		}
	}
	equal(t, len(r.simulation.Current(store)), 3)
}
