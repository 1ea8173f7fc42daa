// Package faultpoint names the moments at which a test may kill the process or
// make an I/O fail. In production no hook is set and a point costs one atomic
// load. Points stand around everything that the promises I1 and I2 depend on:
// staging, writes, syncs, renames, part uploads and checkpoint commits.
package faultpoint
