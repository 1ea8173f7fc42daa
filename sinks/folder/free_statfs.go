//go:build linux || darwin || freebsd

package folder

import "golang.org/x/sys/unix"

// free returns the bytes that an unprivileged user may still write, or -1.
func free(dir string) int64 {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return -1
	}
	return int64(stat.Bavail) * int64(stat.Bsize) //nolint:unconvert // field types differ between systems
}
