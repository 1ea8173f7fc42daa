package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// childEnv makes the test binary run one job as a child process: see order.
const childEnv = "FHIRHOSE_TEST_CHILD"

// order tells a child which job to run, and when to SIGKILL itself.
type order struct {
	Export, State, Sink string
	Point               string        // at the Nth passing of this fault point
	N                   int           //
	After               time.Duration // or after this time
	Count               string        // or never: count the points into this file
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(child(text))
	}
	os.Exit(m.Run())
}

// child runs the job and kills itself as ordered.
func child(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	var mu sync.Mutex
	counts := map[string]int{}
	faultpoint.Set(func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		counts[point]++
		if point == o.Point && counts[point] == o.N {
			killSelf()
		}
		return nil
	})
	if o.After > 0 {
		time.AfterFunc(o.After, killSelf)
	}
	j := jobDirs{export: o.Export, state: o.State, sink: o.Sink}
	if _, err := j.run(context.Background(), smallOptions(), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if o.Count != "" {
		mu.Lock()
		defer mu.Unlock()
		text, _ := json.Marshal(counts)
		if err := os.WriteFile(o.Count, text, 0o600); err != nil {
			return 1
		}
	}
	return 0
}

func killSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal comes before anything else can happen
}

// inChild runs the job in a child and tells whether it was killed.
func (j jobDirs) inChild(t *testing.T, o order) (killed bool) {
	t.Helper()
	o.Export, o.State, o.Sink = j.export, j.state, j.sink
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || !exit.Sys().(syscall.WaitStatus).Signaled() {
		t.Fatalf("child failed by itself: %v\n%s", err, out)
	}
	return true
}

// middle tells whether the job was under way and not finished.
func (j jobDirs) middle() bool {
	_, begun := os.Stat(filepath.Join(j.state, "checkpoint.db"))
	_, announced := os.Stat(filepath.Join(j.sink, "migration_output.json"))
	return begun == nil && announced != nil
}

// TestKillAtEveryPoint SIGKILLs a child at the first, a middle and the last
// passing of every fault point, and proves I2 each time.
func TestKillAtEveryPoint(t *testing.T) {
	export := smallExport(t)
	whole := newJob(t, export)
	count := filepath.Join(t.TempDir(), "points.json")
	whole.inChild(t, order{Count: count})
	want := whole.tree(t)

	points := map[string]int{}
	text, err := os.ReadFile(count)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &points); err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"stage", "write", "written", "fsync", "rename", "renamed", "syncdir", "commit", "committed"} {
		if points[must] == 0 {
			t.Errorf("no %q point was passed", must)
		}
	}
	middle := 0
	for _, point := range slices.Sorted(maps.Keys(points)) {
		for _, n := range slices.Compact([]int{1, points[point]/2 + 1, points[point]}) {
			j := newJob(t, export)
			killed := j.inChild(t, order{Point: point, N: n})
			if j.middle() {
				middle++
			}
			if killed && j.inChild(t, order{}) {
				t.Fatal("killed without an order")
			}
			t.Run(fmt.Sprintf("%s %d", point, n), func(t *testing.T) { sameTree(t, j.tree(t), want) })
		}
	}
	if middle < len(points) {
		t.Errorf("only %d kills hit the middle", middle)
	}
}

// TestKillAtRandomMoments SIGKILLs children at seeded random moments, several
// times in the life of each job, until it gets to the end.
func TestKillAtRandomMoments(t *testing.T) {
	kills := 25
	if text := os.Getenv("FHIRHOSE_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	export := smallExport(t)
	whole := newJob(t, export)
	begin := time.Now()
	whole.inChild(t, order{})
	length := time.Since(begin)
	want := whole.tree(t)

	random := rand.New(rand.NewPCG(1, 2))
	middle := 0
	for middle < kills {
		j := newJob(t, export)
		for range 3 {
			after := time.Duration(random.Int64N(int64(length))) + time.Millisecond
			if j.inChild(t, order{After: after}) && j.middle() {
				middle++
			}
		}
		if j.inChild(t, order{}) {
			t.Fatal("killed without an order")
		}
		sameTree(t, j.tree(t), want)
	}
}
