package main

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of what a contender leaves behind
// (Spark's JVM outlives the Python that started it), so that it is accounted for.
func adoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// reapOrphans waits for every adopted process of a group and returns its CPU
// time.
func reapOrphans(group int) (cpu time.Duration) {
	for {
		var r syscall.Rusage
		_, err := syscall.Wait4(-group, nil, 0, &r)
		switch err {
		case nil:
			cpu += time.Duration(r.Utime.Nano() + r.Stime.Nano())
		case syscall.EINTR:
		default:
			return cpu
		}
	}
}
