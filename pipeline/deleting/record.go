package deleting

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Checkpoint stores how far deleting has come. checkpoint.Store fulfils it.
type Checkpoint interface {
	output.Entries
	Commit(changes []output.Change) error
}

// Counts say what became of the resources that are deleted in the source.
type Counts struct {
	Deleted   int64 `json:"deleted"`              // by us
	Gone      int64 `json:"gone"`                 // not in the target when it was first looked at
	Changed   int64 `json:"changed_after_import"` // its content is not ours: it stays
	Unchecked int64 `json:"not_checked"`          // its content cannot be compared: it stays
	Refused   int64 `json:"refused"`              // by the target
	// Of these the source does not say for certain that they are deleted.
	Unsettled int64 `json:"unsettled"` // their last version was not written, or rows of it disagree
	Ambiguous int64 `json:"ambiguous"` // another type uses the id
}

// Left is how many are deleted in the source and stay in the target, though they
// could be deleted once something is mended.
func (c *Counts) Left() int64 { return c.Changed + c.Unchecked + c.Refused }

// Record is what the checkpoint knows of a tenant's deletes.
type Record struct {
	Counts
	// Pass is the number, from 1, of the pass through the ledger: it is about all, or
	// about what the one before has left. 0: none has begun.
	Pass int  `json:"pass"`
	All  bool `json:"all,omitempty"`
	Over bool `json:"over,omitempty"` // the pass is
	// Last is when the target answered the last delete, by its own clock if it tells
	// the time, else by ours. Zero: none was sent.
	Last time.Time `json:"last,omitzero"`
	// Sent grows with whatever may have been deleted, over all passes: a clock may go
	// back, and this does not.
	Sent int64 `json:"sent,omitempty"`

	Next  int64   `json:"next"`            // candidate of the ledger's order that is next
	Asked []int64 `json:"asked,omitempty"` // candidates from there on that may have been deleted already
	Kept  int64   `json:"kept,omitempty"`  // bytes of the file of what was not deleted
	Tried int64   `json:"tried,omitempty"` // bytes of that of the pass before
}

// Done tells whether there is nothing left to do.
func (r *Record) Done() bool { return r.Over && r.Left() == 0 }

// Result returns what a checkpoint knows of a tenant's deletes.
func Result(store output.Entries, tenant string) (*Record, error) {
	r := new(Record)
	err := store.Each(bucket(tenant), func(_ string, value []byte) error { return json.Unmarshal(value, r) })
	if err != nil {
		return nil, output.Damaged(err)
	}
	return r, nil
}

// Ended returns when the target answered a tenant's last delete, by its own clock
// if it tells the time, else by ours; zero if none was sent.
func Ended(store output.Entries, tenant string) (time.Time, error) {
	r, err := Result(store, tenant)
	if err != nil {
		return time.Time{}, err
	}
	return r.Last, nil
}

// bucket is where the checkpoint keeps the record of a tenant.
func bucket(tenant string) string { return strings.TrimSuffix("deletes/"+tenant, "/") }

const recordKey = "record"

// asked tells whether a candidate may have been deleted by an earlier run.
func (r *Record) asked(n int64) bool {
	_, found := slices.BinarySearch(r.Asked, n)
	return found
}

func (d *Deleter) commit() error {
	value, err := json.Marshal(d.record)
	if err != nil {
		return err
	}
	return d.store.Commit([]output.Change{{Bucket: bucket(d.o.Tenant), Key: recordKey, Value: value}})
}
