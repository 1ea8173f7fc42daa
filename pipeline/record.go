package pipeline

// FormatVersion names everything that shapes stored bytes: the output tree,
// the ledger, the checkpoint and the claim. It changes whenever the golden
// tree hash changes, and only then (I3).
const FormatVersion = 2

// Limits of a record that are part of the format version.
const (
	// BatchBytes ends a batch: after the record that brings it to this many
	// decompressed bytes, or at the object's end.
	BatchBytes = 256 << 10
	// MaxRecordBytes is the longest line that is converted; a longer one is
	// quarantined as a stream, see [TooLarge].
	MaxRecordBytes = 16 << 20
	// MaxDepth is the deepest JSON nesting of a source line.
	MaxDepth = 256
)

// DocumentStatus is FHIR Works' documentStatus attribute.
type DocumentStatus uint8

// The statuses that FHIR Works writes. DELETED does not mean that the resource
// is deleted: a superseded version is DELETED too.
const (
	StatusUnknown DocumentStatus = iota
	Available
	Locked
	Pending
	PendingDelete
	Deleted
)

var statusNames = [...]string{"", "AVAILABLE", "LOCKED", "PENDING", "PENDING_DELETE", "DELETED"}

func (s DocumentStatus) String() string { return statusNames[s] }

// ParseDocumentStatus returns StatusUnknown for any text that is none.
func ParseDocumentStatus(text []byte) DocumentStatus {
	for s := Available; s <= Deleted; s++ {
		if string(text) == statusNames[s] {
			return s
		}
	}
	return StatusUnknown
}

// Outcome is what became of a record that was read (I4).
type Outcome uint8

// The three outcomes: read = written + filtered + quarantined.
const (
	Written Outcome = iota
	Filtered
	Quarantined
)

func (o Outcome) String() string { return [...]string{"written", "filtered", "quarantined"}[o] }

// Reason says why a record was not written: a code from a closed list, which
// may be logged, counted and stored (I10).
type Reason uint8

// The reasons. Their numbers are stored in the ledger: append, never reorder.
const (
	NoReason Reason = iota

	// Filters, in the order in which they are asked (design: first match counts).

	OtherTenant
	IsPending
	OtherType
	NotSince
	AfterUntil
	IsDeleted

	// Unreadable: the record has no identity and gets no ledger entry.

	NotJSON
	InvalidUTF8
	DuplicateKey
	TooDeep
	TooLarge
	NoItem
	NoType
	BadType
	NoID
	BadID
	NoVersion
	BadVersion
	NoStatus
	BadStatus

	// Other defects: identity is readable, so the ledger knows the record.

	NoMeta
	BadMeta
	BadTag
	BadNumber
	BadAttribute
	NoTenant
	TenantMismatch
	OverFileCap
	BadTenant

	// Of a Binary row, by what the binary bucket holds.

	ContentMissing
	ContentAmbiguous
	ContentChanged

	// RowTooLarge is a Binary row that is too long itself, whatever its content.
	RowTooLarge

	reasonCount
)

var reasonNames = [reasonCount]string{
	NoReason:    "",
	OtherTenant: "other-tenant", IsPending: "pending", OtherType: "other-type",
	NotSince: "not-since", AfterUntil: "after-until", IsDeleted: "deleted",
	NotJSON: "not-json", InvalidUTF8: "invalid-utf8", DuplicateKey: "duplicate-key",
	TooDeep: "too-deep", TooLarge: "too-large", NoItem: "no-item",
	NoType: "no-type", BadType: "bad-type", NoID: "no-id", BadID: "bad-id",
	NoVersion: "no-version", BadVersion: "bad-version",
	NoStatus: "no-status", BadStatus: "bad-status",
	NoMeta: "no-meta", BadMeta: "bad-meta", BadTag: "bad-meta-tag",
	BadNumber: "bad-number", BadAttribute: "bad-attribute",
	NoTenant: "no-tenant", TenantMismatch: "tenant-mismatch", OverFileCap: "over-file-cap",
	BadTenant:      "bad-tenant",
	ContentMissing: "content-missing", ContentAmbiguous: "content-ambiguous", ContentChanged: "content-changed",
	RowTooLarge: "row-too-large",
}

func (r Reason) String() string { return reasonNames[r] }

// Outcome returns what a record with this reason becomes.
func (r Reason) Outcome() Outcome {
	switch {
	case r == NoReason:
		return Written
	case r <= IsDeleted:
		return Filtered
	default:
		return Quarantined
	}
}

// Identified tells whether a record with this reason has a readable type, id,
// version and status, and so an entry in the ledger.
func (r Reason) Identified() bool { return r <= IsDeleted || r >= NoMeta }

// Reasons lists every reason but NoReason, for metrics and documentation.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := NoReason + 1; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}
