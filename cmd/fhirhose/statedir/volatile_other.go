//go:build !linux

package statedir

// Volatile is known on Linux only.
func Volatile(string) string { return "" }

// Free is known on Linux only.
func Free(string) int64 { return -1 }
