// Package pipeline holds the nouns that every other package speaks: objects,
// records, outcomes, files, errors, and the two interfaces that adapters
// fulfil, [Source] and [Sink].
//
// It also owns the two mechanisms that stages share: the worker [Pool] and the
// byte [Budget]. What happens to a record lives in its sub-packages, in the
// order in which data flows:
//
//	split    inflate, lines, batches
//	convert  DynamoDB JSON to FHIR JSON, and the rules of a FHIR Works record
//	digest   canonical form and hash
//	shard    which file, which folder, when each is full
//	ledger   what became of every record that was read
//	records  the record pipeline itself: lanes, workers, merge, writers, cuts
//
// Nothing below this folder imports an adapter, the AWS SDK or bbolt.
package pipeline
