package healthlake

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
)

// Deletes is a store as the target of deletes.
type Deletes struct {
	store *Store
	large sync.Mutex // one large resource at a time (I7)
}

var _ deleting.Target = (*Deletes)(nil)

// Deletes returns the store as a target of deletes.
func (s *Store) Deletes() *Deletes { return &Deletes{store: s} }

const (
	// mostLooked bounds the answer to a batch that reads.
	mostLooked = 4 << 20
	// mostCompared bounds a resource whose content is compared: six times as much
	// is needed for it.
	mostCompared = pipeline.MaxRecordBytes
)

const bundleHint = "lower target.healthlake.bundle_size if HealthLake takes no bundle so large, then run the same command again"

// Look implements [deleting.Target]. Resources are read in batches; those that are
// too large together are read in smaller ones, and in the end alone.
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
		return d.lookAlone(ctx, entries[0], first, f)
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

func (d *Deletes) lookAlone(ctx context.Context, e Entry, i int, f func(int, deleting.Found)) error {
	d.large.Lock()
	defer d.large.Unlock()
	r, err := d.store.read(ctx, e.Type, e.ID, mostCompared)
	found := deleting.Found{Status: http.StatusOK, Version: r.Version, Body: r.Body}
	switch {
	case errors.Is(err, ErrTooLarge):
		found = deleting.Found{Status: http.StatusRequestEntityTooLarge}
	case err != nil:
		return err
	case r.State == Missing:
		found.Status = http.StatusNotFound
	case r.State == Deleted:
		found.Status = http.StatusGone
	}
	f(i, found)
	return nil
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
