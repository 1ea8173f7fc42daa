// Package sinks is where bytes come to rest. Each sink fulfils
// [github.com/fhirhose/fhirhose/pipeline.Sink]:
//
//	folder    a directory of a disk
//	bucket    a prefix of an S3 bucket
//	tree      names on the local disk, made durable by few syncs
//	sinktest  the conformance suite that every sink passes
//
// Beside them lies a target, which imports the folders that lie in a sink:
//
//	healthlake  Amazon HealthLake; healthlake/healthlaketest simulates it
//
// A sink makes files durable before it says so (I1), makes a name visible only
// when the file is whole (I8), and never replaces a file (I2). It knows nothing
// of records, types or folders: names and bytes come from the pipeline.
package sinks
