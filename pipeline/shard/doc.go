// Package shard decides which file and which folder every line goes to, and
// when each is full (I6). It is pure: no clock, no I/O, no goroutine, so that
// the same lines in the same order always get the same places (I3).
//
// The merge stage of pipeline/records drives it; nobody else does.
package shard
