// Package replaying sends again what a target has refused at import, once its cause
// is mended: a quota, a failure of the server, a profile that was missing.
//
//	r := replaying.New(target, checkpoint, book, replaying.Options{...})
//	counts, err := r.Run(ctx)      // any number of times
//
// What is sent is the line that was imported, proved by its digest in the ledger, and
// only if no later version of the resource is in the target (I11):
//
//   - by our own account: of the versions in folders that are imported, none later was
//     taken; none is under way;
//   - by the target's: what it holds of the resource, read a moment before, is an
//     older version of ours, and the PUT names that version (If-Match); or it never
//     held any, where we know that it took none.
//
// Anything else stays refused. Versions of a resource go one after the other, oldest
// first. A resource that is deleted in the source, or unsettled, is left alone.
//
// What the target takes is durable in `state` before the next is sent, leaves the
// failures, and is counted as imported, so that reports and verifications see it.
// Memory depends on neither the number of failures nor their size (I7). `state` holds
// PHI, the checkpoint, logs and errors none (I10).
//
// Neighbours: package importing keeps failures and records, package deleting lends
// how a target is looked at; sinks/healthlake is a target.
package replaying
