package healthlake

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// Answers is a store as a verification asks it for single resources.
type Answers struct{ store *Store }

var (
	_ verify.Reader    = (*Answers)(nil)
	_ verify.Historian = (*Answers)(nil)
)

// Answers returns the store as a verification asks it.
func (s *Store) Answers() *Answers { return &Answers{s} }

// Read implements [verify.Reader]. Bodies may be of any size.
func (a *Answers) Read(ctx context.Context, resourceType, id string, take func(io.Reader) error) (exists bool, err error) {
	path := resourceType + "/" + url.PathEscape(id)
	err = a.store.call(ctx, "read a resource of data store", http.MethodGet, path, nil, oneOf(200, 404, 410), func(r *http.Response) error {
		if exists = r.StatusCode == http.StatusOK; !exists {
			return nil
		}
		return take(received{r.Body})
	})
	return exists, err
}

// History implements [verify.Historian].
func (a *Answers) History(ctx context.Context, resourceType, id string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for v, err := range a.store.Versions(ctx, resourceType, id) {
			if !yield(v.Body, err) {
				return
			}
		}
	}
}
