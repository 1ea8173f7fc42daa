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
