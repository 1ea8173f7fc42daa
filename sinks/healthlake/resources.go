package healthlake

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
)

// State is whether a resource exists.
type State uint8

// The states.
const (
	Exists  State = iota
	Missing       // it has never existed
	Deleted
)

// Resource is the current version of a resource.
type Resource struct {
	State   State
	Version string // HealthLake's own, in no relation to that of the source
	Body    []byte // JSON; nil unless it exists
}

// Read reads the current version of a resource. A body over 64 MiB is
// ErrTooLarge.
func (s *Store) Read(ctx context.Context, resourceType, id string) (Resource, error) {
	a, err := s.get(ctx, "read a resource of data store", resourceType+"/"+url.PathEscape(id), oneOf(200, 404, 410))
	if err != nil {
		return Resource{}, err
	}
	switch a.status {
	case http.StatusNotFound:
		return Resource{State: Missing}, nil
	case http.StatusGone:
		return Resource{State: Deleted}, nil
	}
	return Resource{State: Exists, Version: a.version, Body: a.body}, nil
}

// Version is a version in the history of a resource.
type Version struct {
	Number string // HealthLake's own; "" where it says none
	Body   []byte // JSON; nil of a deletion
}

// historyPage is how many versions are asked for at a time: each may be 400 KB. A
// Binary may be larger.
const historyPage = 20

// History returns the versions of a resource, the newest first. HealthLake shows
// a version minutes late: that one is missing proves nothing before.
func (s *Store) History(ctx context.Context, resourceType, id string) (all []Version, err error) {
	for v, err := range s.Versions(ctx, resourceType, id) {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Versions yields what History returns, of which it holds one page, of up to 64
// MiB. An error ends it.
func (s *Store) Versions(ctx context.Context, resourceType, id string) iter.Seq2[Version, error] {
	const op = "read a history of data store"
	return func(yield func(Version, error) bool) {
		count := historyPage
		if resourceType == "Binary" {
			count = 1
		}
		query := "_count=" + strconv.Itoa(count)
		for seen := map[string]bool{}; query != ""; {
			if seen[query] {
				yield(Version{}, s.contradiction(op, "the links to next pages go round"))
				return
			}
			seen[query] = true
			var versions []Version
			var err error
			if versions, query, err = s.versions(ctx, op, resourceType+"/"+url.PathEscape(id)+"/_history?"+query); err != nil {
				yield(Version{}, err)
				return
			}
			for _, v := range versions {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// versions returns a page of a history, and the query of the next one.
func (s *Store) versions(ctx context.Context, op, path string) (versions []Version, query string, err error) {
	a, err := s.get(ctx, op, path, oneOf(200, 404))
	if err != nil || a.status == http.StatusNotFound {
		return nil, "", err
	}
	page, err := s.bundle(op, a.body)
	if err != nil {
		return nil, "", err
	}
	for _, e := range page.Entry {
		v := Version{Number: versionOf(e.Response.ETag)}
		if e.Request.Method != http.MethodDelete {
			v.Body = e.Resource
		}
		versions = append(versions, v)
	}
	if query, err = next(page.Link); err != nil {
		return nil, "", s.contradiction(op, "the link to the next page cannot be read")
	}
	return versions, query, nil
}

// Count returns how many resources of a type exist. HealthLake notices a change
// with a delay of some seconds.
func (s *Store) Count(ctx context.Context, resourceType string) (int64, error) {
	const op = "count the resources of data store"
	a, err := s.get(ctx, op, resourceType+"?_summary=count", oneOf(200))
	if err != nil {
		return 0, err
	}
	b, err := s.bundle(op, a.body)
	if err != nil {
		return 0, err
	}
	if b.Total == nil {
		return 0, s.contradiction(op, "the answer has no total")
	}
	return *b.Total, nil
}

// Types returns the resource types that the data store takes, as its capability
// statement says.
func (s *Store) Types(ctx context.Context) (map[string]bool, error) {
	const op = "read the capabilities of data store"
	a, err := s.get(ctx, op, "metadata", oneOf(200))
	if err != nil {
		return nil, err
	}
	var statement struct {
		Rest []struct {
			Resource []struct {
				Type string `json:"type"`
			} `json:"resource"`
		} `json:"rest"`
	}
	if err := json.Unmarshal(a.body, &statement); err != nil {
		return nil, s.contradiction(op, "the answer is no CapabilityStatement")
	}
	types := map[string]bool{}
	for _, rest := range statement.Rest {
		for _, r := range rest.Resource {
			types[r.Type] = true
		}
	}
	if len(types) == 0 {
		return nil, s.contradiction(op, "the answer names no resource type")
	}
	return types, nil
}

// bundle is what is read of a Bundle.
type bundle struct {
	ResourceType string `json:"resourceType"`
	Total        *int64 `json:"total"`
	Link         []link `json:"link"`
	Entry        []struct {
		Resource json.RawMessage `json:"resource"`
		Request  struct {
			Method string `json:"method"`
		} `json:"request"`
		Response struct {
			Status string `json:"status"`
			ETag   string `json:"etag"`
		} `json:"response"`
	} `json:"entry"`
}

type link struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

func (s *Store) bundle(op string, body []byte) (b bundle, err error) {
	if json.Unmarshal(body, &b) != nil || b.ResourceType != "Bundle" {
		return b, s.contradiction(op, "the answer is no Bundle")
	}
	return b, nil
}

// contradiction is an answer that HealthLake's documents do not know.
func (s *Store) contradiction(op, words string) error {
	return &pipeline.Error{
		Op: op, Object: s.options.Datastore, Kind: pipeline.KindFatal, Err: errors.New(words),
		Hint: "look for a newer release, or report this: HealthLake answers otherwise than it is documented to",
	}
}

// next returns the query of the link to the next page, "" being none. Its page
// token comes with bare = and +, which have to be escaped before they are
// signed. The rest of the link is not followed: nothing but the store's own
// base gets a signature.
func next(links []link) (string, error) {
	for _, l := range links {
		if l.Relation != "next" {
			continue
		}
		_, query, _ := strings.Cut(l.URL, "?")
		values, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B"))
		return values.Encode(), err
	}
	return "", nil
}

// versionOf reads W/"7".
func versionOf(etag string) string {
	return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
}

func oneOf(good ...int) func(int) bool {
	return func(status int) bool { return slices.Contains(good, status) }
}
