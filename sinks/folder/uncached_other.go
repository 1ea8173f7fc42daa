//go:build !linux

package folder

import "os"

// writeAtUncached is an ordinary write: only Linux has another.
func writeAtUncached(file *os.File, p []byte, offset int64) (int, error) {
	return file.WriteAt(p, offset)
}
