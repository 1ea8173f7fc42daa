// Package removal is what `move --restart` does before it begins again: it finds
// exactly what this run has written to sink and state, says it, and removes it.
//
// A file of the sink is this run's if the claim beside it is this run's, and if
// its name has a form that only a run makes. Everything else stays, and is named.
//
// The order lets another --restart finish after a kill at any point, and lets
// nothing else go on in between: the checkpoint is condemned; then
// migration_output.json goes, so that nobody imports a half; then the other
// files; then the claim, which keeps strangers out until then; then state, with
// the checkpoint last. The audit log stays, and what of it is in the sink: it is
// evidence, of this removal too.
package removal
