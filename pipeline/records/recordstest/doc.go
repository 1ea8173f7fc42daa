// Package recordstest runs the record pipeline the way cmd/fhirhose does, in
// this process or in a child that is SIGKILLed, over real sources and sinks. It
// holds every pair of source and sink to the promises I2 and I3.
//
// A test binary that uses [Killed] or [KillAtEveryPoint] calls [Main] from its
// TestMain: children are the binary itself.
package recordstest
