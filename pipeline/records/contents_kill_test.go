package records_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// killedContents is a job with both pipelines under way, and a large content in
// the middle of it.
func killedContents(b *table, tenant string) func(t *testing.T) recordstest.Job {
	return func(t *testing.T) recordstest.Job { return newContentsJob(t, b, tenant).Job }
}

func TestKillContentsAtEveryPoint(t *testing.T) {
	recordstest.KillAtEveryPoint(t, killedContents(newTable(t, 60_000, ""), ""),
		"list", "listed", "open-content", "range", "fetch", "chunk", "stage", "write", "fsync", "rename", "commit", "committed")
}

func TestKillContentsAtRandomMoments(t *testing.T) {
	recordstest.KillAtRandomMoments(t, killedContents(newTable(t, 60_000, "a", "ab"), "*"), 4)
}

// TestDeterminismOfContents is TestDeterminism where contents arrive in any order
// (I3).
func TestDeterminismOfContents(t *testing.T) {
	b := newTable(t, 60_000, "a", "ab")
	var want []string
	for _, procs := range []int{1, 8} {
		for _, c := range []struct {
			workers, fetches, stagers, window int
			memory                            int64
		}{{1, 1, 1, 1, 256 << 20}, {16, 32, 3, 100, 1 << 30}} {
			t.Run(fmt.Sprintf("procs %d %+v", procs, c), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				j := newContentsJob(t, b, "*")
				j.Options.Workers, j.Options.Memory = c.workers, c.memory
				o := j.Options.Binaries
				o.Fetches, o.Stagers, o.Window = c.fetches, c.stagers, c.window
				j.MustRun(t)
				if want == nil {
					want = j.Tree(t)
				}
				recordstest.SameTree(t, j.Tree(t), want)
			})
		}
	}
}
