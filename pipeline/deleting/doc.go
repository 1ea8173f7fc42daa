// Package deleting deletes in a target what is deleted in the source, once all
// folders of a job are imported.
//
//	d := deleting.New(target, checkpoint, book, deleting.Options{...})
//	err := d.Run(ctx)              // any number of times
//
// What is deleted follows from the ledger alone: resources whose last committed
// version is DELETED and was written, of an id that one type uses. A superseded
// version is DELETED too, and means nothing. What may be deleted in the source, but
// is not known to be, stays: unsettled resources, and ambiguous ids. docs/deletes.md
// has the whole of it.
//
// Every resource is looked at before it is deleted. One that the target does not
// have is gone already. One whose content is not ours was changed after the import,
// and stays. The others are deleted, each only as the version that was looked at,
// as far as the target knows how.
//
// It promises:
//
//   - Nothing is deleted before every folder is imported.
//   - Killed anywhere, the next Run goes on, and the counts at the end are those of
//     a run without kills: what is about to be deleted is stored before it is.
//   - Memory depends on neither the number of resources nor that of deletes (I7).
//   - The checkpoint holds numbers alone, logs and errors hold no id (I10). What
//     was not deleted stands in a file in `state`, which is PHI.
//
// Neighbours: package ledger says what is deleted, package importing what was
// imported, package verify what is ours; sinks/healthlake is a target.
package deleting
