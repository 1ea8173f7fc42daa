// Package survey looks at a job before it moves: it samples the source through
// the converter that `move` uses, and estimates what the whole will need and
// give. Estimates follow from a few thousand records, and say so. It asks the
// buckets of source and sink what is said of them, and writes nothing but the
// probe that it is told to write, which it removes.
package survey
