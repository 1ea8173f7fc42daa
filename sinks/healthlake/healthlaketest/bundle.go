package healthlaketest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// bundle is a Bundle, in either direction.
type bundle struct {
	ResourceType string  `json:"resourceType"`
	Type         string  `json:"type"`
	Total        *int    `json:"total,omitempty"`
	Link         []link  `json:"link,omitempty"`
	Entry        []entry `json:"entry"`
}

type link struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

type entry struct {
	FullURL  string          `json:"fullUrl,omitempty"`
	Resource json.RawMessage `json:"resource,omitempty"`
	Request  *entryRequest   `json:"request,omitempty"`
	Response *entryResponse  `json:"response,omitempty"`
}

type entryRequest struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	IfMatch     string `json:"ifMatch,omitempty"`
	IfNoneMatch string `json:"ifNoneMatch,omitempty"`
}

type entryResponse struct {
	Status       string `json:"status"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	Outcome      any    `json:"outcome,omitempty"`
}

// batch carries out the entries of a batch, the last first, since nothing
// promises an order, and answers in the order in which they came. The answer is
// a 200 whatever became of the entries.
func (s *Simulation) batch(r *request, store *datastore) reply {
	var in bundle
	if err := json.Unmarshal(r.body, &in); err != nil || in.ResourceType != "Bundle" || in.Type != "batch" {
		return problem(http.StatusBadRequest, "structure", "The simulation takes a Bundle of type batch")
	}
	if len(in.Entry) > s.options.Quotas.Entries {
		return problem(http.StatusBadRequest, "too-costly", "The bundle has too many entries")
	}
	out := bundle{ResourceType: "Bundle", Type: "batch-response", Entry: make([]entry, len(in.Entry))}
	for i := len(in.Entry) - 1; i >= 0; i-- {
		out.Entry[i] = s.batchEntry(store, in.Entry[i])
	}
	return reply{status: http.StatusOK, body: out}
}

func (s *Simulation) batchEntry(store *datastore, in entry) entry {
	answer := problem(http.StatusBadRequest, "structure", "The simulation takes GET, PUT and DELETE of Type/id")
	if in.Request != nil {
		answer = s.carryOut(store, in, answer)
	}
	out := entry{Response: &entryResponse{Status: strconv.Itoa(answer.status)}}
	if answer.etag > 0 {
		out.Response.ETag = etag(answer.etag)
	}
	switch body := answer.body.(type) {
	case nil:
	case json.RawMessage:
		out.Resource = body
	default:
		out.Response.Outcome = body
	}
	return out
}

func (s *Simulation) carryOut(store *datastore, in entry, otherwise reply) reply {
	if s.traps.EntryStatus != nil {
		if status := s.traps.EntryStatus(in.Request.Method, in.Request.URL); status != 0 {
			return problem(status, "throttled", "Entry "+in.Request.URL)
		}
	}
	key := in.Request.URL
	if strings.Count(key, "/") != 1 || strings.Contains(key, "?") {
		return otherwise
	}
	switch in.Request.Method {
	case http.MethodGet:
		return read(store, key)
	case http.MethodPut:
		return s.update(store, key, in.Resource, in.Request.IfMatch, in.Request.IfNoneMatch)
	case http.MethodDelete:
		return s.remove(store, key, in.Request.IfMatch)
	}
	return otherwise
}

// history lists the versions of a resource, the newest first, without those that
// are younger than the lag.
func (s *Simulation) history(r *request, store *datastore, key string) reply {
	found := store.find(key)
	if found == nil {
		return missing(key)
	}
	query := r.URL.Query()
	count, page, ok := paging(query)
	if !ok {
		return problem(http.StatusBadRequest, "invalid", "_count is from 1 to 100")
	}
	var seen []entry
	for i := len(found.versions) - 1; i >= 0; i-- {
		v := found.versions[i]
		if s.since(v.time()) < s.traps.HistoryLag {
			continue
		}
		e := entry{
			FullURL: base(r.Request, store.ID) + key, Resource: v.body,
			Request:  &entryRequest{Method: http.MethodPut, URL: key},
			Response: &entryResponse{Status: "200", ETag: etag(i + 1), LastModified: v.time().Format(timeFormat)},
		}
		if v.deleted() {
			e.Request.Method, e.Response.Status = http.MethodDelete, "204"
		}
		seen = append(seen, e)
	}
	total := len(seen)
	out := bundle{ResourceType: "Bundle", Type: "history", Total: &total, Entry: []entry{}}
	from := min(page*count, total)
	to := min(from+count, total)
	out.Entry = append(out.Entry, seen[from:to]...)
	if to < total {
		// As it is on the service: = is bare in the page token, and + too.
		token := base64.StdEncoding.EncodeToString([]byte(tokenMark + strconv.Itoa(page+1)))
		out.Link = []link{{"next", base(r.Request, store.ID) + key + "/_history?_count=" + strconv.Itoa(count) + "&page=" + token}}
	}
	return reply{status: http.StatusOK, body: out}
}

// tokenMark makes page tokens begin with ++++.
const tokenMark = "\xfb\xef\xbe"

// paging reads _count, at most 100, and a page token.
func paging(query url.Values) (count, page int, ok bool) {
	count = 100
	var err error
	if text := query.Get("_count"); text != "" {
		count, err = strconv.Atoi(text)
	}
	if token := query.Get("page"); token != "" && err == nil {
		text, wrong := base64.StdEncoding.DecodeString(token)
		if err = wrong; err == nil {
			page, err = strconv.Atoi(strings.TrimPrefix(string(text), tokenMark))
		}
	}
	return count, page, err == nil && count >= 1 && count <= 100 && page >= 0
}

// search counts the resources of a type, as they were a while ago. It answers
// _summary=count, and _total=accurate with _count, where it returns none.
func (s *Simulation) search(store *datastore, kind string, query url.Values) reply {
	_, _, ok := paging(query)
	switch {
	case !ok:
		return problem(http.StatusBadRequest, "invalid", "_count is from 1 to 100")
	case query.Has("_summary") && query.Has("_elements"):
		return problem(http.StatusBadRequest, "invalid", "_summary and _elements exclude each other")
	case query.Get("_summary") != "count" && query.Get("_total") != "accurate":
		return problem(http.StatusBadRequest, "not-supported", "The simulation counts only")
	}
	total := 0
	latest := s.options.Now().Add(-s.traps.SearchLag)
	for key, r := range store.resources {
		if strings.HasPrefix(key, kind+"/") && r.existed(latest) {
			total++
		}
	}
	return reply{status: http.StatusOK, body: bundle{ResourceType: "Bundle", Type: "searchset", Total: &total, Entry: []entry{}}}
}

// existed tells whether there was a version at some time that was no deletion.
func (r *resource) existed(at time.Time) bool {
	for i := len(r.versions) - 1; i >= 0; i-- {
		if v := r.versions[i]; !v.time().After(at) {
			return !v.deleted()
		}
	}
	return false
}
