package healthlake

import (
	"context"
	"net/http"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/replaying"
)

// Replays is a store as the target of resources that are sent again.
type Replays struct{ *Deletes }

var _ replaying.Target = Replays{}

// Replays returns the store as a target of resources that are sent again.
func (s *Store) Replays() Replays { return Replays{s.Deletes()} }

// Put implements [replaying.Target].
func (r Replays) Put(ctx context.Context, puts []replaying.Put) ([]int, time.Time, error) {
	entries := make([]Entry, len(puts))
	for i, p := range puts {
		entries[i] = Entry{Method: http.MethodPut, Type: p.Type, ID: p.ID, IfMatch: p.Version, Body: p.Body}
	}
	answers, at, err := r.exchange(ctx, "send resources to data store", entries)
	if err != nil {
		return nil, time.Time{}, err
	}
	statuses := make([]int, len(answers))
	for i, a := range answers {
		statuses[i] = a.status
	}
	return statuses, at, nil
}
