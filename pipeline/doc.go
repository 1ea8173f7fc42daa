// Package pipeline holds the nouns that every other package speaks: objects,
// records, outcomes, files, errors, and the interfaces that adapters fulfil,
// [Source], [Contents] and [Sink].
//
// What happens to a record lives in its sub-packages, in the order in which data
// flows:
//
//	split     inflate, lines, batches
//	convert   DynamoDB JSON to FHIR JSON, and the rules of a FHIR Works record
//	digest    canonical form and hash
//	shard     which file, which folder, when each is full
//	ledger    what became of every record that was read
//	records   the record pipeline: lanes, workers, merge; and the end of the job
//	stub      a Binary row on its way from there to
//	binaries  the binary pipeline: contents fetched, encoded, placed
//	output    where both end: writers, the open ledger, cuts
//	durable   local files that survive a power cut
//
// Nothing below this folder imports an adapter, the AWS SDK or bbolt.
package pipeline
