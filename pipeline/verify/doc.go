// Package verify proves what a target holds against what a job's ledger says
// that it should hold: every resource ends in exactly one [Class]. Its classes,
// how each is decided, and what each mode of verification can prove, are in
// docs/verify.md.
//
// The mode export: [Digest] reads what the target exported, NDJSON of
// current versions, once, and keeps a tuple per line in a work directory: a hash
// of the id, both digests, time and place. Tuples become durable in sorted runs,
// and what a run covers is not read again after a kill. [Compare] compares sums
// of sets first, per type and hash range; only where they differ it joins the
// runs with the ledger.
//
// The modes sample, full and history: an [Inquiry] asks the target for one
// resource after the other, in the order of the ledger, by [Inquiry.Current] or
// [Inquiry.Histories]. The same judge classes the answers.
//
// Last, an [Explainer] names the elements in which resources differ, reading both
// texts again.
//
// It promises:
//
//   - What could not be read is never OK: it is [Unchecked], with object and line.
//   - The answer depends on ledger and export alone, not on workers, memory, kills
//     or the order of lines (I3).
//   - Memory is bounded by [Options].Memory, whatever the number of resources or
//     the length of a line (I7), but for 200 bytes per exported object.
//   - No error holds an id or a value of a resource (I10). The work directory
//     holds digests and hashes of ids: it is PHI.
//
// Neighbours: package digest defines the digests, package ledger the source's
// side; the target's adapter lists and opens exported objects.
package verify
