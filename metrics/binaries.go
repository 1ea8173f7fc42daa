package metrics

import (
	"maps"
	"reflect"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// BinaryTotals is what became of a job's Binary rows and of the objects that hold
// their contents. The rows are also among those of [Status.Types].
type BinaryTotals struct {
	Objects int64 `json:"objects"` // listed, of the whole job
	Bytes   int64 `json:"bytes"`

	BinaryCounts // of all tenants

	// RecoverDeleted and VersionsHidden tell whose noncurrent objects were looked
	// for: also those of DELETED rows; none, because they may not be listed.
	RecoverDeleted bool `json:"recover_deleted"`
	VersionsHidden bool `json:"versions_hidden"`

	Fetched      int64   `json:"fetched_bytes"` // of contents, this process
	InFlight     int64   `json:"in_flight"`     // contents that are being fetched
	WaitingBytes int64   `json:"waiting_bytes"` // what waiting rows and up to 64 MiB of done ones take in state
	WaitSeconds  float64 `json:"waiting_for_objects_seconds"`
}

// BinaryCounts balance, of all tenants and of each: Rows = Written + quarantined +
// Waiting.
type BinaryCounts struct {
	Rows         int64            `json:"rows"` // handed over by the record pipeline
	Written      int64            `json:"written"`
	BytesWritten int64            `json:"bytes_written"` // NDJSON
	ContentBytes int64            `json:"content_bytes"` // of the objects whose bytes were written
	Quarantined  map[string]int64 `json:"quarantined,omitempty"`
	Erased       int64            `json:"content_erased_at_source"` // of Written: DELETED, and so is their object
	Recovered    int64            `json:"content_recovered"`        // of Written: from noncurrent objects
	Waiting      int64            `json:"waiting"`                  // rows between handed over and written

	Orphans *OrphanTotals `json:"orphans,omitempty"` // set once all rows are read
}

// Add adds the counts of another tenant.
func (c *BinaryCounts) Add(other *BinaryCounts) {
	c.Rows += other.Rows
	c.Written += other.Written
	c.BytesWritten += other.BytesWritten
	c.ContentBytes += other.ContentBytes
	if c.Quarantined == nil {
		c.Quarantined = make(map[string]int64)
	}
	add(c.Quarantined, other.Quarantined)
	c.Erased += other.Erased
	c.Recovered += other.Recovered
	c.Waiting += other.Waiting
	if other.Orphans != nil {
		if c.Orphans == nil {
			c.Orphans = new(OrphanTotals)
		}
		c.Orphans.add(other.Orphans)
	}
}

// balances tells whether all numbers are those of other; moments are none.
func (c BinaryCounts) balances(other BinaryCounts) bool {
	quarantined := maps.Equal(c.Quarantined, other.Quarantined)
	orphans := c.Orphans.equal(other.Orphans)
	c.Quarantined, other.Quarantined, c.Orphans, other.Orphans = nil, nil, nil, nil
	return quarantined && orphans && reflect.DeepEqual(c, other)
}

const binaryType = "Binary"

// waitingOf is how many records of a type have no outcome yet: rows that wait for
// their contents. A job that is done has none.
func (s *Status) waitingOf(resourceType string) int64 {
	if resourceType != binaryType || s.Binaries == nil || s.Moved() {
		return 0
	}
	return s.Binaries.Waiting
}

// tenantsSumUp tells whether the Binaries of all tenants are those of the job,
// where they are told apart.
func (s *Status) tenantsSumUp() bool {
	var all BinaryCounts
	apart := false
	for _, t := range s.Tenants {
		if t.Binaries != nil {
			all.Add(t.Binaries)
			apart = true
		}
	}
	return !apart || s.Binaries == nil || all.balances(s.Binaries.BinaryCounts)
}

// OrphanTotals counts objects that no row names. Those newer than the export are
// apart: their rows may have come after it.
type OrphanTotals struct {
	Objects    int64     `json:"objects"`
	Bytes      int64     `json:"bytes"`
	Oldest     time.Time `json:"oldest"` // zero without objects
	Newest     time.Time `json:"newest"`
	Newer      int64     `json:"newer_objects"`
	NewerBytes int64     `json:"newer_bytes"`
}

// All is the number of objects that no row names; of nil it is 0.
func (o *OrphanTotals) All() int64 {
	if o == nil {
		return 0
	}
	return o.Objects + o.Newer
}

func (o *OrphanTotals) add(other *OrphanTotals) {
	if other.Objects > 0 && (o.Objects == 0 || other.Oldest.Before(o.Oldest)) {
		o.Oldest = other.Oldest
	}
	if other.Objects > 0 && (o.Objects == 0 || other.Newest.After(o.Newest)) {
		o.Newest = other.Newest
	}
	o.Objects += other.Objects
	o.Bytes += other.Bytes
	o.Newer += other.Newer
	o.NewerBytes += other.NewerBytes
}

func (o *OrphanTotals) equal(other *OrphanTotals) bool {
	if o == nil || other == nil {
		return o == other
	}
	return o.Objects == other.Objects && o.Bytes == other.Bytes && o.Newer == other.Newer && o.NewerBytes == other.NewerBytes
}

// binaryFamilies are 0 in a job that fetches no contents.
func binaryFamilies() []family {
	of := func(get func(*BinaryTotals) float64) func(snapshot) float64 {
		return func(v snapshot) float64 {
			if v.Binaries == nil {
				return 0
			}
			return get(v.Binaries)
		}
	}
	orphans := func(get func(*OrphanTotals, snapshot) float64) func(snapshot) float64 {
		return func(v snapshot) float64 {
			if v.Binaries == nil || v.Binaries.Orphans == nil {
				return 0
			}
			return get(v.Binaries.Orphans, v)
		}
	}
	return []family{
		gauge("binaries_objects", "Objects in the listing of the binary bucket.", of(func(b *BinaryTotals) float64 { return float64(b.Objects) })),
		gauge("binaries_objects_bytes", "Bytes of the objects in the listing of the binary bucket.", of(func(b *BinaryTotals) float64 { return float64(b.Bytes) })),
		counter("binaries_rows_total", "Binary rows handed over to be given their contents.", of(func(b *BinaryTotals) float64 { return float64(b.Rows) })),
		counter("binaries_written_total", "Binaries written.", of(func(b *BinaryTotals) float64 { return float64(b.Written) })),
		counter("binaries_written_bytes_total", "NDJSON bytes of Binaries written.", of(func(b *BinaryTotals) float64 { return float64(b.BytesWritten) })),
		counter("binaries_content_bytes_total", "Bytes of the objects that the Binaries written hold.", of(func(b *BinaryTotals) float64 { return float64(b.ContentBytes) })),
		binariesQuarantined(),
		counter("binaries_erased_total", "DELETED Binaries written without data, for their objects are deleted too.", of(func(b *BinaryTotals) float64 { return float64(b.Erased) })),
		counter("binaries_recovered_total", "Binaries written with the data of a noncurrent object.", of(func(b *BinaryTotals) float64 { return float64(b.Recovered) })),
		counter("binaries_fetched_bytes_total", "Bytes of contents fetched by this process.", of(func(b *BinaryTotals) float64 { return float64(b.Fetched) })),
		gauge("binaries_in_flight", "Contents that are being fetched.", of(func(b *BinaryTotals) float64 { return float64(b.InFlight) })),
		gauge("binaries_waiting_rows", "Binary rows that are handed over and not yet written.", of(func(b *BinaryTotals) float64 { return float64(b.Waiting) })),
		gauge("binaries_waiting_bytes", "Bytes in state of Binary rows that are handed over; what is written goes in pieces of 64 MiB.", of(func(b *BinaryTotals) float64 { return float64(b.WaitingBytes) })),
		counter("binaries_wait_seconds_total", "Time that this process waited for objects of the binary bucket.", of(func(b *BinaryTotals) float64 { return b.WaitSeconds })),
		gauge("binaries_orphans", "Objects that no row names; like all about orphans, 0 until all rows are read.", orphans(func(o *OrphanTotals, _ snapshot) float64 { return float64(o.Objects) })),
		gauge("binaries_orphans_bytes", "Bytes of the objects that no row names.", orphans(func(o *OrphanTotals, _ snapshot) float64 { return float64(o.Bytes) })),
		gauge("binaries_orphans_oldest_age_seconds", "Age of the oldest object that no row names; -1 without one.", orphans(func(o *OrphanTotals, v snapshot) float64 { return v.age(o.Oldest) })),
		gauge("binaries_orphans_newest_age_seconds", "Age of the newest object that no row names; -1 without one.", orphans(func(o *OrphanTotals, v snapshot) float64 { return v.age(o.Newest) })),
		gauge("binaries_newer_objects", "Objects that no row names and that are newer than the export.", orphans(func(o *OrphanTotals, _ snapshot) float64 { return float64(o.Newer) })),
		gauge("binaries_newer_objects_bytes", "Bytes of the objects that no row names and that are newer than the export.", orphans(func(o *OrphanTotals, _ snapshot) float64 { return float64(o.NewerBytes) })),
	}
}

func binariesQuarantined() family {
	return family{
		"binaries_quarantined_total", prometheus.CounterValue, "Binaries that could not be moved, by reason.",
		[]string{"reason"},
		func(v snapshot, out emit) {
			var counts map[string]int64
			if v.Binaries != nil {
				counts = v.Binaries.Quarantined
			}
			each(fold(v.labels.reasons, counts), out)
		},
	}
}
