package deleting

import (
	"context"
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
	// Delete deletes resources, and returns the status of each in their order, and
	// when that was by the target's clock, zero being unknown. It may have been
	// carried out, in part too, where it returns an error.
	Delete(ctx context.Context, deletions []Deletion) (statuses []int, at time.Time, err error)
}

// Resource names a resource.
type Resource struct{ Type, ID string }

// Found is what a target has of a resource.
type Found struct {
	// Status is 200 where it has it, 404 or 410 where it has not, 413 where it has
	// more than can be read, else why it cannot be told.
	Status  int
	Version string // the target's own; "" is unknown
	Body    []byte // JSON. The receiver may change it
}

// Deletion is to delete one resource.
type Deletion struct {
	Resource
	Version string // which must be the current one, else the status is 412; "" is any
}
