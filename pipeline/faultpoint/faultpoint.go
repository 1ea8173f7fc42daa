// Package faultpoint names the moments at which a test may kill the process or
// make an I/O fail. In production no hook is set and a point costs one atomic
// load. Points stand around everything that the promises I1 and I2 depend on:
// staging, writes, syncs, renames, part uploads and checkpoint commits.
package faultpoint

import "sync/atomic"

var hook atomic.Pointer[func(point string) error]

// At reports that the named step is about to happen. The caller must treat a
// non-nil error as if the step itself had failed.
func At(point string) error {
	if h := hook.Load(); h != nil {
		return (*h)(point)
	}
	return nil
}

// Set installs the hook of a test and returns the function that removes it.
// The hook is called from many goroutines.
func Set(h func(point string) error) (remove func()) {
	hook.Store(&h)
	return func() { hook.Store(nil) }
}
