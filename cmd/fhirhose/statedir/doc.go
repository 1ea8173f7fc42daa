// Package statedir owns the state directory as a place: it makes it (0700, it
// holds PHI), gives it to one process at a time, and says whether it would
// survive a restart (I1). What lies in it belongs to others: checkpoint.db to
// package checkpoint, in/ to the source, open/ to the record pipeline,
// tails/ to a bucket sink. status.json is written at each cut.
package statedir
