//go:build unix

package staging

import (
	"os"
	"syscall"
)

// inode returns the file's inode number, 0 where there is none.
func inode(info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino) //nolint:unconvert // 32 bits on some systems
	}
	return 0
}
