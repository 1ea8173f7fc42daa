// Package sinktest is the conformance suite of sinks: every promise that the
// comments of [github.com/fhirhose/fhirhose/pipeline.Sink] make is a test here,
// and every sink passes all of them.
//
// A kill is played by a fault: from one fault point on, every further point of
// the process fails, what runs in the background is stopped, and a new sink is
// opened at the same place with what the last checkpoint remembers.
package sinktest
