//go:build !(linux || darwin || freebsd)

package folder

func free(string) int64 { return -1 }
