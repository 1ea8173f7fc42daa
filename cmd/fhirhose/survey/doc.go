// Package survey looks at a job before it moves: it samples the source through
// the converter that `move` uses, and estimates what the whole will need and
// give. It writes nothing. Estimates follow from a few thousand records, and
// say so.
package survey
