package records_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

func TestMove(t *testing.T) {
	defer goleak.VerifyNone(t)
	j := newJob(t, recordstest.SmallExport(t))
	m := j.MustRun(t)
	s := m.Status()
	if s.Phase != metrics.PhaseDone || s.Ledger == nil {
		t.Fatalf("phase %s, ledger %v", s.Phase, s.Ledger)
	}
	if s.Read() != s.Written()+s.Filtered()+s.Quarantined() {
		t.Errorf("read %d, written %d, filtered %d, quarantined %d", s.Read(), s.Written(), s.Filtered(), s.Quarantined())
	}
	if s.Quarantined() != 2 || s.Ledger.Duplicates == 0 || s.Ledger.Ambiguous == 0 {
		t.Errorf("quarantined %d, ledger %+v", s.Quarantined(), *s.Ledger)
	}
	if s.Folders["v1"] < 2 {
		t.Errorf("folders %v: no roll of version 1", s.Folders)
	}
	if left, _ := filepath.Glob(filepath.Join(j.State, "open", "*")); len(left) > 0 {
		t.Errorf("left in state: %v", left)
	}
	t.Logf("%d records, %d files, %d cuts", s.Read(), s.Files, s.Cuts)
}

// TestFinishedJobIsNotTouched: a second run exits as the first did.
func TestFinishedJobIsNotTouched(t *testing.T) {
	j := newJob(t, recordstest.SmallExport(t))
	first := j.MustRun(t).Status()
	before := j.Tree(t)
	second := j.MustRun(t).Status()
	recordstest.SameTree(t, j.Tree(t), before)
	if second.Phase != metrics.PhaseDone || second.Written() != first.Written() || second.Quarantined() != first.Quarantined() {
		t.Errorf("the second run says %s, %d written", second.Phase, second.Written())
	}
}

// TestDeterminism proves I3: nothing but the input and the options that shape
// the output changes a byte.
func TestDeterminism(t *testing.T) {
	export := recordstest.SmallExport(t)
	var want []string
	for _, procs := range []int{1, 2, 8} {
		for _, workers := range []int{1, 3, 16} {
			for _, memory := range []int64{128 << 20, 1 << 30} {
				t.Run(fmt.Sprintf("procs %d workers %d memory %dMiB", procs, workers, memory>>20), func(t *testing.T) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
					j := newJob(t, export)
					j.Options.Workers, j.Options.Memory = workers, memory
					j.MustRun(t)
					if want == nil {
						want = j.Tree(t)
						golden(t, want)
					}
					recordstest.SameTree(t, j.Tree(t), want)
				})
			}
		}
	}
}

// golden compares the tree's hash with the one that belongs to this format
// version. If it differs on purpose, pipeline.FormatVersion changes with it.
func golden(t *testing.T, tree []string) {
	t.Helper()
	sum := sha256.Sum256([]byte(strings.Join(tree, "\n")))
	const name = "testdata/tree.sha256"
	got := hex.EncodeToString(sum[:]) + "\n"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("tree hash %s, want %s: the output of this format version changed", got, want)
	}
}

// TestStopAndGoOn stops the job after its first cut, again and again, until a
// run gets to the end. The last objects are not staged before that cut, so that
// the job cannot be over by then.
func TestStopAndGoOn(t *testing.T) {
	export := recordstest.SmallExport(t)
	whole := newJob(t, export)
	whole.MustRun(t)
	j := newJob(t, export)
	stopped := 0
	for {
		stop, cut := make(chan struct{}), make(chan struct{})
		j.Options.OnCut = sync.OnceValue(func() error {
			close(stop)
			close(cut)
			return nil
		})
		var staged atomic.Int64
		remove := faultpoint.Set(func(point string) error {
			if point == "stage" && stopped < 2 && staged.Add(1) > 6 {
				<-cut
			}
			return nil
		})
		_, err := j.Run(t.Context(), stop)
		remove()
		if err == nil {
			break
		}
		if !errors.Is(err, records.ErrStopped) {
			t.Fatal(err)
		}
		stopped++
	}
	if stopped == 0 {
		t.Error("the job was never stopped in the middle")
	}
	recordstest.SameTree(t, j.Tree(t), whole.Tree(t))
	checkManifests(t, j.Sink)
}

func TestEmptyExport(t *testing.T) {
	dir := t.TempDir()
	if _, err := generate.WriteObjects(dir, [][]string{{}, {}}); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, dir)
	j.MustRun(t)
	text, err := os.ReadFile(filepath.Join(j.Sink, "migration_output.json"))
	if err != nil || string(text) != `{"jobId":"job","file_names":{}}`+"\n" {
		t.Errorf("announced %q, %v", text, err)
	}
}

// TestTwoProcessesOnOneSink: one wins, the other says so and changes nothing (WE7).
func TestTwoProcessesOnOneSink(t *testing.T) {
	export := recordstest.SmallExport(t)
	whole := newJob(t, export)
	whole.MustRun(t)
	one, other := newJob(t, export), newJob(t, export)
	other.Place = one.Place // with a state of its own
	errs := make(chan error, 2)
	for _, j := range []diskJob{one, other} {
		go func() {
			_, err := j.Run(t.Context(), nil)
			errs <- err
		}()
	}
	won, lost := 0, 0
	for range 2 {
		switch err := <-errs; {
		case err == nil:
			won++
		case pipeline.KindOf(err) == pipeline.KindClaimed && pipeline.HintOf(err) != "":
			lost++
		default:
			t.Error(err)
		}
	}
	if won != 1 || lost != 1 {
		t.Errorf("%d won, %d lost", won, lost)
	}
	recordstest.SameTree(t, one.Tree(t), whole.Tree(t))
}
