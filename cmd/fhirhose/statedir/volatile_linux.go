package statedir

import "golang.org/x/sys/unix"

// Volatile names the file system of dir, or of its nearest parent that exists,
// if it is one that a restart empties; "" otherwise.
func Volatile(dir string) string {
	var stat unix.Statfs_t
	if unix.Statfs(existing(dir), &stat) != nil {
		return ""
	}
	switch uint32(stat.Type) {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	}
	return ""
}

// Free returns the bytes that are left for dir, or -1 if unknown.
func Free(dir string) int64 {
	var stat unix.Statfs_t
	if unix.Statfs(existing(dir), &stat) != nil {
		return -1
	}
	return int64(stat.Bavail) * stat.Bsize
}
