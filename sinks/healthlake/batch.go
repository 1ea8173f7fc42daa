package healthlake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Entry is one interaction of a batch.
type Entry struct {
	Method  string // GET, PUT or DELETE
	Type    string
	ID      string
	IfMatch string // the version that must be current; "" is any
	Body    []byte // JSON, of a PUT
}

// batchBundle is a batch as it is sent.
type batchBundle struct {
	ResourceType string       `json:"resourceType"`
	Type         string       `json:"type"`
	Entry        []batchEntry `json:"entry"`
}

type batchEntry struct {
	Resource json.RawMessage `json:"resource,omitempty"`
	Request  batchRequest    `json:"request"`
}

type batchRequest struct {
	Method  string `json:"method"`
	URL     string `json:"url"`
	IfMatch string `json:"ifMatch,omitempty"`
}

// Batch sends entries in one Bundle of type batch, and returns the HTTP status of
// each, in their order. They are carried out in no order, and each may fail by
// itself: a 429 or 5xx is to be sent again.
//
// It may be carried out twice, where an answer is lost: a DELETE then says 404 or
// 410, or 412 with IfMatch, and has been done.
func (s *Store) Batch(ctx context.Context, entries []Entry) ([]int, error) {
	answers, _, err := s.exchange(ctx, "send a batch to data store", entries, maxAnswer)
	if err != nil {
		return nil, err
	}
	statuses := make([]int, len(answers))
	for i, a := range answers {
		statuses[i] = a.status
	}
	return statuses, nil
}

// entryAnswer is what became of one entry of a batch.
type entryAnswer struct {
	status  int
	version string // "" is unknown
	body    []byte // JSON; nil is none
}

// exchange sends entries in one batch, and returns the answer to each in their order,
// and a moment by HealthLake's clock before which all was done. An answer of more than most bytes is
// ErrTooLarge.
func (s *Store) exchange(ctx context.Context, op string, entries []Entry, most int) (answers []entryAnswer, at time.Time, err error) {
	out := batchBundle{ResourceType: "Bundle", Type: "batch", Entry: make([]batchEntry, 0, len(entries))}
	for _, e := range entries {
		request := batchRequest{Method: e.Method, URL: e.Type + "/" + e.ID}
		if e.IfMatch != "" {
			request.IfMatch = `W/"` + e.IfMatch + `"`
		}
		out.Entry = append(out.Entry, batchEntry{Resource: e.Body, Request: request})
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, at, s.contradiction(op, "an entry is no JSON")
	}
	a, err := s.request(ctx, most, op, http.MethodPost, "", body, oneOf(200))
	if err != nil {
		return nil, at, err
	}
	in, err := s.bundle(op, a.body)
	if err != nil {
		return nil, at, err
	}
	if len(in.Entry) != len(entries) {
		return nil, at, s.contradiction(op, fmt.Sprintf("%d entries are answered by %d", len(entries), len(in.Entry)))
	}
	answers = make([]entryAnswer, len(entries))
	for i := range in.Entry {
		e := &in.Entry[i]
		text := e.Response.Status
		status, err := strconv.Atoi(text[:min(3, len(text))]) // 204, or 204 No Content
		if err != nil {
			return nil, at, s.contradiction(op, fmt.Sprintf("entry %d is answered without a status", i+1))
		}
		answers[i] = entryAnswer{status, versionOf(e.Response.ETag), e.Resource}
	}
	if !a.at.IsZero() {
		a.at = a.at.Add(time.Second) // it tells whole seconds
	}
	return answers, a.at, nil
}
