package deleting

import (
	"context"
	"io"
	"time"
)

// Target is a FHIR store in which resources are looked at and deleted. Statuses are
// those of HTTP, as FHIR means them.
//
// Errors are pipeline.Errors without ids or values (I10). A call that is worth
// repeating has been repeated when it returns one. All methods are called from
// several goroutines.
type Target interface {
	// Look calls f for each resource, once, in any order, one at a time, with its
	// index and what the target has of it, which is f's for the call alone.
	Look(ctx context.Context, resources []Resource, f func(i int, found Found)) error
	// Read gives the body of a resource, of any length, to take, where the target has
	// it, and returns the status and the version that Look would tell. If the body
	// breaks off, it calls take again with the whole of it.
	Read(ctx context.Context, resource Resource, take func(body io.Reader) error) (status int, version string, err error)
	// Delete deletes resources, and returns the status of each in their order, and
	// when that was by the target's clock, zero being unknown. It may have been
	// carried out, in part too, where it returns an error.
	Delete(ctx context.Context, deletions []Deletion) (statuses []int, at time.Time, err error)
}

// Resource names a resource.
type Resource struct{ Type, ID string }

// Found is what a target has of a resource.
type Found struct {
	// Status is 200 where it has it, 404 or 410 where it has not, 413 where it is too
	// large to be told here, else why it cannot be told.
	Status  int
	Version string // the target's own; "" is unknown
	Body    []byte // JSON. The receiver may change it
}

// Deletion is to delete one resource.
type Deletion struct {
	Resource
	Version string // which must be the current one, else the status is 412; "" is any
}
