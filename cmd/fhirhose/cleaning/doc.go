// Package cleaning finds every copy of the data that a job has made or caused,
// removes it once the job is proven, and certifies what was removed and what
// remains.
//
// What goes is known by name, one by one: the files of a sink from the manifest
// beside them, where the claim is this run's; the results of an import or export
// from the id of the target's job in their prefix; what is in the state directory
// from a list. Everything else is counted, named and left.
//
// A [Plan] is durable before the first removal, so that a run that was killed is gone
// on with though the checkpoint may be gone by then; a certificate compares what
// was there when the plan was made with what is there at the end. Neither holds an
// id or a value of a resource (I10).
package cleaning
