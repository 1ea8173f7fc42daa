package recordstest

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
	Job   encoded
	Since string        // counted from the first passing of this point; "": from the start
	Point string        // at the Nth passing of this fault point,
	N     int           //
	After time.Duration // or after this time,
	Count string        // or never: count the points into this file
}

// Main runs tests, which is usually testing.M's Run, or one job where this
// process is a child. It returns the exit code.
func Main(tests func() int, decode func(place []byte) (Place, error)) int {
	if text := os.Getenv(childEnv); text != "" {
		return child(text, decode)
	}
	return tests()
}

// child runs the job and kills itself as ordered.
func child(text string, decode func([]byte) (Place, error)) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	place, err := decode(o.Job.Place)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	var mu sync.Mutex
	counts := map[string]int{}
	begun, left := false, o.N
	begin := func() {
		begun = true
		if o.After > 0 {
			time.AfterFunc(o.After, killSelf)
		}
	}
	if o.Since == "" {
		begin()
	}
	faultpoint.Set(func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		counts[point]++
		if point == o.Since && !begun {
			begin()
		}
		if begun && point == o.Point {
			if left--; left == 0 {
				killSelf()
			}
		}
		return nil
	})
	if _, err := o.Job.job(place).Run(context.Background(), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if o.Count == "" {
		return 0
	}
	mu.Lock()
	defer mu.Unlock()
	content, err := json.Marshal(counts)
	if err := errors.Join(err, os.WriteFile(o.Count, content, 0o600)); err != nil {
		return 1
	}
	return 0
}

func killSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal comes before anything else can happen
}

// inChild runs the job in a child and tells whether it was killed.
func (j Job) inChild(t *testing.T, o order) (killed bool) {
	t.Helper()
	job, err := encode(j)
	if err != nil {
		t.Fatal(err)
	}
	o.Job = job
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	// A child of the race detector would sleep for a second at its end.
	cmd.Env = append(os.Environ(), childEnv+"="+string(text), "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
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

// middle tells whether the job is under way and not finished.
func (j Job) middle(t *testing.T) bool {
	_, err := os.Stat(j.checkpoint())
	return err == nil && !j.Place.Announced(t)
}

// finish lets a killed job go on to its end, and compares.
func (j Job) finish(t *testing.T, want []string) {
	t.Helper()
	if j.inChild(t, order{}) {
		t.Fatal("killed without an order")
	}
	SameTree(t, j.Place.Tree(t), want)
}

// KillAtEveryPoint SIGKILLs a child at the first, a middle and the last passing
// of every fault point, and proves I2 each time. newJob returns a job over the
// same input in a fresh place. must are points that have to be passed.
func KillAtEveryPoint(t *testing.T, newJob func(t *testing.T) Job, must ...string) {
	whole := newJob(t)
	count := filepath.Join(t.TempDir(), "points.json")
	whole.inChild(t, order{Count: count})
	want := whole.Place.Tree(t)

	points := map[string]int{}
	text, err := os.ReadFile(count)
	if err == nil {
		err = json.Unmarshal(text, &points)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, point := range must {
		if points[point] == 0 {
			t.Errorf("no %q point was passed", point)
		}
	}
	middle := 0
	for _, point := range slices.Sorted(maps.Keys(points)) {
		for _, n := range slices.Compact([]int{1, points[point]/2 + 1, points[point]}) {
			t.Run(fmt.Sprintf("%s %d", point, n), func(t *testing.T) {
				j := newJob(t)
				j.inChild(t, order{Point: point, N: n}) // timing may pass fewer points
				if j.middle(t) {
					middle++
				}
				j.finish(t, want)
			})
		}
	}
	if middle < len(points) {
		t.Errorf("only %d kills hit the middle", middle)
	}
}

// KillAtRandomMoments SIGKILLs children at seeded random moments, several times
// in the life of each job, until so many kills have hit the middle. The
// environment variable FHIRHOSE_KILLS overrides kills.
func KillAtRandomMoments(t *testing.T, newJob func(t *testing.T) Job, kills int) {
	kills = killsWanted(t, kills)
	whole := newJob(t)
	begin := time.Now()
	whole.inChild(t, order{})
	length := time.Since(begin)
	want := whole.Place.Tree(t)

	random := rand.New(rand.NewPCG(1, 2))
	for middle := 0; middle < kills; {
		j := newJob(t)
		for range 3 {
			after := time.Duration(random.Int64N(int64(length))) + time.Millisecond
			if j.inChild(t, order{After: after}) && j.middle(t) {
				middle++
			}
		}
		j.finish(t, want)
	}
}

// killsWanted is what FHIRHOSE_KILLS says, or kills.
func killsWanted(t *testing.T, kills int) int {
	t.Helper()
	text := os.Getenv("FHIRHOSE_KILLS")
	if text == "" {
		return kills
	}
	kills, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return kills
}
