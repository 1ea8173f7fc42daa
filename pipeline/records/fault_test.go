package records_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// tinyExport is as small as a job can be that still rolls a folder and seals
// ledger segments: the test below runs it hundreds of times.
func tinyExport(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	_, err := generate.Write(t.Context(), generate.Options{
		Dir: dir, Seed: 3, Resources: 12, Types: 2, Versions: 2, Objects: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func tinyJob(t *testing.T, export string) diskJob {
	t.Helper()
	j := newJob(t, export)
	j.Options.Lanes, j.Options.SegmentEntries, j.Options.Caps.FolderFiles = 2, 10, 2
	return j
}

// TestFailEveryIO makes the first, the second, the third... I/O fail, until the
// job gets through without meeting the fault. Each failed run must say so with
// an exit that fits, announce nothing (WE3), and leave a job that the next run ends.
func TestFailEveryIO(t *testing.T) {
	export := tinyExport(t)
	failEveryIO(t, func() diskJob { return tinyJob(t, export) })
}

// TestFailEveryIOOfAllTenants is the same where tenants come to be admitted, have
// ledgers of their own and are announced one by one.
func TestFailEveryIOOfAllTenants(t *testing.T) {
	rows := []string{version("nobody", 1, "AVAILABLE")}
	for i := range 12 {
		n := triple{tenantID: []string{"a", "ab"}[i%2], plainID: fmt.Sprint("id-", i)}
		n.id = n.tenantID + "|" + n.plainID
		rows = append(rows, n.row(i, "AVAILABLE"))
	}
	dir := t.TempDir()
	if _, err := generate.WriteObjects(dir, [][]string{rows[:5], rows[5:]}); err != nil {
		t.Fatal(err)
	}
	failEveryIO(t, func() diskJob {
		j := allTenants(tinyJob(t, dir))
		j.Options.SegmentEntries = 4
		return j
	})
}

func failEveryIO(t *testing.T, newJob func() diskJob) {
	whole := newJob()
	counted := whole.MustRun(t).Status()
	want := whole.Tree(t)
	f := func(fault error, at ...string) {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			for n := int64(1); ; n++ {
				if !failNth(t, newJob(), n, fault, at, want, &counted) {
					t.Logf("%d I/Os", n-1)
					return
				}
			}
		})
	}
	f(syscall.EIO) // wherever an I/O is
	f(syscall.ENOSPC, "write", "mkdir", "commit")
	f(io.ErrShortWrite, "write")
}

// failNth fails the nth passing of the named points, or of all.
func failNth(t *testing.T, j diskJob, n int64, fault error, points, want []string, counted *metrics.Status) (met bool) {
	t.Helper()
	var passed atomic.Int64
	var at atomic.Pointer[string]
	remove := faultpoint.Set(func(point string) error {
		if (points == nil || slices.Contains(points, point)) && passed.Add(1) == n {
			at.Store(&point)
			return fault
		}
		return nil
	})
	_, err := j.Run(t.Context(), nil)
	remove()
	if at.Load() == nil {
		if err != nil {
			t.Fatalf("no fault, but: %v", err)
		}
		return false
	}
	point := *at.Load()
	if err == nil {
		t.Fatalf("I/O %d (%s) failed, and the run did not say so", n, point)
	}
	if !errors.Is(err, fault) {
		t.Errorf("I/O %d (%s): the error does not name the cause: %v", n, point, err)
	}
	if kind := pipeline.KindOf(err); kind == pipeline.KindOther || pipeline.HintOf(err) == "" {
		t.Errorf("I/O %d (%s): kind %d, hint %q: %v", n, point, kind, pipeline.HintOf(err), err)
	}
	m, err := j.Run(t.Context(), nil)
	if err != nil {
		t.Fatalf("the run after I/O %d (%s) failed: %v", n, point, err)
	}
	if s := m.Status(); s.Files != counted.Files || s.FilesSealed != counted.Files || !maps.Equal(s.Folders, counted.Folders) {
		t.Errorf("after I/O %d (%s): %d files, %d sealed, folders %v; want %d in %v",
			n, point, s.Files, s.FilesSealed, s.Folders, counted.Files, counted.Folders)
	}
	recordstest.SameTree(t, j.Tree(t), want)
	for _, folder := range []string{"open/*", "binaries", "stubs"} {
		if left, _ := filepath.Glob(filepath.Join(j.State, folder)); len(left) > 0 {
			t.Errorf("I/O %d (%s) left %v", n, point, left)
		}
	}
	return true
}
