package main

import (
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
)

// outsideGo is what the Go runtime does not see of limits.memory: the binary
// and the pages of the checkpoint that are mapped.
const outsideGo = 48 << 20

// limitMemory makes the runtime collect harder as it nears limits.memory (I7),
// or the container's limit where that is lower. A GOMEMLIMIT of the environment
// stays as it is.
func limitMemory(limit int64, log *slog.Logger) {
	if container := containerMemory(); container < limit {
		log.Warn("the container has less memory than limits.memory; the kernel may kill the process",
			"container", human.Bytes(container), "limits_memory", human.Bytes(limit))
		limit = container
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(max(limit-outsideGo, limit/2))
	}
}

// containerMemory is the limit of the control group, MaxInt64 if there is none.
func containerMemory() int64 {
	limit, err := memlimit.FromCgroup()
	if err != nil || limit > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(limit)
}
