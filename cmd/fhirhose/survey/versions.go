package survey

import (
	"context"

	"github.com/fhirhose/fhirhose/objectstore"
)

// LookAtVersions says whether what is deleted from the binary bucket can be
// recovered.
func (r *Result) LookAtVersions(ctx context.Context, store *objectstore.Store) {
	switch kept, err := store.Versions(ctx); {
	case err != nil:
		r.unseen("whether the binary bucket keeps versions", err)
	case kept:
		r.prove("the binary bucket keeps versions: contents that FHIR Works deleted may be recovered")
	default:
		r.Warn("the binary bucket keeps no versions: contents that FHIR Works deleted, by prefix, with those of other Binaries cannot be recovered")
	}
}
