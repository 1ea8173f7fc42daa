// Package checkpoint is how far a job may claim to have come: one bbolt file in
// `state`, written in one transaction per cut (I1).
//
// It owns the file, its schema version, the job's identity (fingerprint and run
// id), and the claim that the sink holds. What a pipeline stores in its buckets
// is the pipeline's business. No value of a resource and no id is stored (I10).
//
// A file that cannot be read, or that belongs to another job, is refused with
// KindCheckpoint and is never changed. docs/checkpoint.md describes the layout.
package checkpoint
