package verify

// Class is what became of a resource: each has exactly one. docs/verify.md says
// how each is decided, and which modes can decide it.
type Class uint8

// The classes. Their names are part of reports: append, never rename.
const (
	// Equal: the target holds the last version, labels included.
	Equal Class = iota
	// EqualNumbers: the same, but numbers are spelled in another way, as 1.5 for 1.50.
	// Where Compare compares sums alone it counts as few as there can be.
	EqualNumbers
	// MadeByTarget: the target made it, or added to ours what it marks as its own.
	MadeByTarget
	// DeletedGone: it is deleted in the source and not in the target: a proven delete.
	DeletedGone
	// NotMoved: the job's settings kept every version out, and the target has none.
	NotMoved

	// Missing: the source has it, the target does not.
	Missing
	// Different: the target holds a content that never was ours.
	Different
	// Extra: the target has it, the source does not.
	Extra
	// LabelLost: the content is equal, but not profile, security labels and tags.
	LabelLost
	// KnownStale: the target holds an earlier version of ours.
	KnownStale
	// ChangedAfterImport: the target holds what is not ours, written after the import.
	ChangedAfterImport
	// DeletedPresent: it is deleted in the source, but not in the target: a lost delete.
	DeletedPresent
	// Unchecked: nothing is proven. A [Cause] says why.
	Unchecked
	// ChangedAtSource: the live source holds something else than the job has read,
	// since the export. The target is not to blame.
	ChangedAtSource

	classCount
)

var classNames = [classCount]string{
	Equal: "equal", EqualNumbers: "equal up to number form", MadeByTarget: "made by the target",
	DeletedGone: "deleted and gone", NotMoved: "not moved",
	Missing: "missing", Different: "different", Extra: "extra", LabelLost: "label lost",
	KnownStale: "known stale", ChangedAfterImport: "changed after import",
	DeletedPresent: "deleted but present", Unchecked: "could not be checked", ChangedAtSource: "changed at the source since the export",
}

func (c Class) String() string { return classNames[c] }

// OK tells whether a resource of this class needs nobody's attention.
func (c Class) OK() bool { return c <= NotMoved }

// Classes lists all classes, those that are OK first.
func Classes() []Class {
	all := make([]Class, classCount)
	for i := range all {
		all[i] = Class(i)
	}
	return all
}

// Cause says why a resource or a line could not be checked, or what of its history
// is not as it was.
type Cause uint8

// The causes.
const (
	NoCause Cause = iota
	// UnreadableLine: the target's line is no strict JSON of a resource.
	UnreadableLine
	// UnreadableElsewhere: nothing of the resource was seen, but there are lines
	// of which it is not known whose they are. One may be this resource.
	UnreadableElsewhere
	// Contradiction: lines of the export disagree about the resource.
	Contradiction
	// AmbiguousID: another type uses the id of this deleted resource, so it was
	// not deleted in the target.
	AmbiguousID
	// Unsettled: the last version was not written, or rows of it disagree.
	Unsettled
	// NoAnswer: the target refuses or fails to answer for this resource.
	NoAnswer

	// What histories add, to Missing, KnownStale and Different:

	// VersionMissing: of a version of ours there is nothing in the target's history.
	VersionMissing
	// VersionRefused: the same, and the import reported that it was refused.
	VersionRefused
	// OutOfOrder: versions stand in another order.
	OutOfOrder

	// LeftOut: every version of the resource was kept back on the way, and none by a
	// filter of the job alone: the move has quarantined it, or the target's import
	// reported that it refused it. The target cannot have it from us.
	LeftOut
)

var causeNames = [...]string{
	"", "unreadable line", "unreadable line elsewhere", "export contradicts itself", "ambiguous id", "unsettled in the source",
	"no answer for this resource", "a version is missing", "a version was refused by the import", "versions in another order",
	"quarantined by the move, or refused by the import",
}

func (c Cause) String() string { return causeNames[c] }
