package healthlake

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
)

// Deletes is a store as the target of deletes.
type Deletes struct {
	store *Store
}

var _ deleting.Target = (*Deletes)(nil)

// Deletes returns the store as a target of deletes.
func (s *Store) Deletes() *Deletes { return &Deletes{store: s} }

// mostLooked bounds the answer to a batch that reads (I7).
const mostLooked = 4 << 20

const bundleHint = "lower target.healthlake.bundle_size if HealthLake takes no bundle so large, then run the same command again"

// Look implements [deleting.Target]. Resources are read in batches; those that are
// too large together are read in smaller ones; one that is too large alone is not told.
func (d *Deletes) Look(ctx context.Context, resources []deleting.Resource, f func(int, deleting.Found)) error {
	entries := make([]Entry, len(resources))
	for i, r := range resources {
		entries[i] = Entry{Method: http.MethodGet, Type: r.Type, ID: r.ID}
	}
	return d.look(ctx, entries, 0, f)
}

func (d *Deletes) look(ctx context.Context, entries []Entry, first int, f func(int, deleting.Found)) error {
	if len(entries) == 0 {
		return nil
	}
	answers, _, err := d.exchange(ctx, "look at resources of data store", entries)
	switch half := len(entries) / 2; {
	case errors.Is(err, ErrTooLarge) && half == 0:
		f(first, deleting.Found{Status: http.StatusRequestEntityTooLarge})
		return nil
	case errors.Is(err, ErrTooLarge):
		if err := d.look(ctx, entries[:half], first, f); err != nil {
			return err
		}
		return d.look(ctx, entries[half:], first+half, f)
	case err != nil:
		return err
	}
	for i, a := range answers {
		f(first+i, deleting.Found{Status: a.status, Version: a.version, Body: a.body})
	}
	return nil
}

// Read implements [deleting.Target].
func (d *Deletes) Read(ctx context.Context, r deleting.Resource, take func(io.Reader) error) (status int, version string, err error) {
	path := r.Type + "/" + url.PathEscape(r.ID)
	err = d.store.call(ctx, "read a resource of data store", http.MethodGet, path, nil, oneOf(200, 404, 410), func(response *http.Response) error {
		status, version = response.StatusCode, versionOf(response.Header.Get("ETag"))
		if status != http.StatusOK {
			return nil
		}
		return take(received{response.Body})
	})
	return status, version, err
}

// Delete implements [deleting.Target].
func (d *Deletes) Delete(ctx context.Context, deletions []deleting.Deletion) ([]int, time.Time, error) {
	entries := make([]Entry, len(deletions))
	for i, e := range deletions {
		entries[i] = Entry{Method: http.MethodDelete, Type: e.Type, ID: e.ID, IfMatch: e.Version}
	}
	answers, at, err := d.exchange(ctx, "delete resources of data store", entries)
	if err != nil {
		return nil, time.Time{}, err
	}
	statuses := make([]int, len(answers))
	for i, a := range answers {
		statuses[i] = a.status
	}
	return statuses, at, nil
}

// exchange sends a batch. An entry that this identity is denied is an error, once
// other credentials were tried: then all are.
func (d *Deletes) exchange(ctx context.Context, op string, entries []Entry) ([]entryAnswer, time.Time, error) {
	for tried := false; ; tried = true {
		answers, at, err := d.store.exchange(ctx, op, entries, mostLooked)
		if err != nil {
			return nil, at, refusedBundle(err)
		}
		denied := slices.IndexFunc(answers, func(a entryAnswer) bool {
			return a.status == http.StatusUnauthorized || a.status == http.StatusForbidden
		})
		switch {
		case denied < 0:
			return answers, at, nil
		case tried:
			return nil, at, fault(op, d.store.options.Datastore, &statusError{status: answers[denied].status})
		}
		d.store.credentials.Invalidate()
	}
}

// refusedBundle says what may be wrong with a bundle that was refused as a whole.
func refusedBundle(err error) error {
	if e, ok := errors.AsType[*pipeline.Error](err); ok && e.Hint == hintConsole {
		e.Hint = bundleHint
	}
	return err
}
