package ledger

import (
	"fmt"
	"math"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	// SegmentEntries is how many entries a segment holds; the last one of a job
	// holds fewer. It is part of the format version.
	SegmentEntries = 1 << 18

	// EstimatedBytes is what an entry takes in a sealed segment, for an estimate
	// before the job: a written record with a UUID as its id and a single version.
	EstimatedBytes = 69

	// UnknownTime is the LastUpdated of a record whose meta.lastUpdated could
	// not be read.
	UnknownTime = math.MinInt64

	// MaxNameBytes is the longest type and the longest id.
	MaxNameBytes = 64
)

// Entry is what became of one record that was read and whose identity is
// readable.
type Entry struct {
	Type        []byte // 1..MaxNameBytes bytes
	ID          []byte // 1..MaxNameBytes bytes
	Version     uint32
	LastUpdated int64 // Unix milliseconds, or UnknownTime
	Status      pipeline.DocumentStatus
	Reason      pipeline.Reason // NoReason: written

	// Where the record stands in the source: its number, from 1, in an object, and
	// that object's index in the ordered list of the job.

	Object uint32
	Record int64

	// Of a written record only:

	Content [32]byte // content digest
	Label   [32]byte // label digest
	Form    uint32   // number form, see digest.Sums

	// The place: line Line, from 0, of
	// v<Version>-<Folder>/<Type>-v<Version>-<File as %05d>.ndjson

	Folder, File, Line uint32
}

// Written tells whether the record is in the output.
func (e *Entry) Written() bool { return e.Reason == pipeline.NoReason }

// Place returns folder and file of a written entry, both below its tenant's folder.
func (e *Entry) Place() (folder, file string) {
	folder = fmt.Sprintf("v%d-%d", e.Version, e.Folder)
	if string(e.Type) == "Binary" {
		folder = "Binary-" + folder
	}
	return folder, fmt.Sprintf("%s/%s-v%d-%05d.ndjson", folder, e.Type, e.Version, e.File)
}

// ours tells whether the entry speaks about a resource of the job's tenant.
func (e *Entry) ours() bool { return e.Reason != pipeline.OtherTenant }

// Committed tells whether the record counts for the fate of its resource: a
// PENDING row is a transaction in flight that no reader of the source ever saw,
// and a row of another tenant is a version of another resource.
func (e *Entry) Committed() bool { return e.Status != pipeline.Pending && e.ours() }

// reasons is how many reasons there are but NoReason; their numbers are dense.
var reasons = len(pipeline.Reasons())

// storable tells whether status and reason may stand in an entry.
func storable(s pipeline.DocumentStatus, r pipeline.Reason) bool {
	return s >= pipeline.Available && s <= pipeline.Deleted &&
		int(r) <= reasons && r.Identified()
}
