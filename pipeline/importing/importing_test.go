package importing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
)

// rig is a target and a checkpoint that outlive processes.
type rig struct {
	target  *fake
	store   *memory
	options importing.Options
	log     bytes.Buffer
}

func never() error { return nil }

func newRig(t *testing.T) *rig {
	r := &rig{store: &memory{buckets: map[string]map[string][]byte{}, fail: never}}
	r.target = &fake{
		t: t, lasts: time.Hour, unseen: time.Minute, fail: never,
		end: map[string]importing.Job{}, refused: map[string][]importing.Failure{},
	}
	for i, name := range []string{"Binary-v1-0", "Binary-v2-0", "v1-0", "v1-1", "v2-0", "v10-0"} {
		r.target.order = append(r.target.order, importing.Folder{Name: name, Lines: int64(10 + i)})
	}
	r.options = importing.Options{
		Job: "clinic-a", RunID: "run", Target: "arn:store", State: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return r
}

// run is one process. The folders come in any order.
func (r *rig) run(ctx context.Context) error {
	folders := slices.Clone(r.target.order)
	rand.Shuffle(len(folders), func(i, j int) { folders[i], folders[j] = folders[j], folders[i] })
	return importing.New(r.target, r.store, r.options).Run(ctx, folders)
}

// imported lists the folders in the order of their jobs.
func (r *rig) imported() (names []string) {
	for _, j := range r.target.jobs {
		names = append(names, j.folder)
	}
	return names
}

func (r *rig) wantImported(t *testing.T, names ...string) {
	t.Helper()
	if got := r.imported(); !slices.Equal(got, names) {
		t.Errorf("imported %q, want %q", got, names)
	}
}

var all = []string{"Binary-v1-0", "Binary-v2-0", "v1-0", "v1-1", "v2-0", "v10-0"}

func TestFoldersInOrderOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.target.lasts = 8 * time.Hour // 48 hours for all
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wantImported(t, all...)
		// 48 hours of polling, once a minute at most, and some calls to begin with.
		if r.target.asked > 48*60+100 {
			t.Errorf("%d calls", r.target.asked)
		}
		asked := r.target.asked
		if err := r.run(t.Context()); err != nil || r.target.asked != asked {
			t.Errorf("a second run asks again: %v", err)
		}
	})
}

var errKilled = errors.New("killed")

// TestKilledAnywhere: the process dies before or after any call and any commit,
// many times. No folder is started twice, none before the one below it (WI2: what is
// remembered is each folder's own, and stored before it is acted upon).
func TestKilledAnywhere(t *testing.T) {
	deaths := 0
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			dice := rand.New(rand.NewPCG(seed, 1))
			kill := func() error {
				if dice.IntN(12) == 0 {
					return errKilled
				}
				return nil
			}
			r.target.fail, r.store.fail = kill, kill
			r.target.lasts = time.Duration(dice.IntN(300)) * time.Second
			r.target.unseen = time.Duration(dice.IntN(300)) * time.Second
			r.options.Queued = dice.IntN(4)
			r.target.queued = r.options.Queued
			for {
				err := r.run(t.Context())
				if err == nil {
					break
				}
				if !errors.Is(err, errKilled) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				deaths++
				time.Sleep(time.Duration(dice.IntN(200)) * time.Second) // until it is run again
			}
			r.wantImported(t, all...)
		})
	}
	if deaths < 1000 {
		t.Errorf("only %d deaths", deaths)
	}
}

// TestQueued: folders of one version wait in the target and not here, as many as may;
// one of the next version does not, nor one behind a folder that failed.
func TestQueued(t *testing.T) {
	run := func(queued int, fails bool) (r *rig, took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			r = newRig(t)
			r.target.order = nil
			for n := range 12 { // of which v1-10 comes last
				r.target.order = append(r.target.order, importing.Folder{Name: fmt.Sprint("v1-", n), Lines: 1})
			}
			r.target.order = append(r.target.order, importing.Folder{Name: "v10-0", Lines: 1})
			r.options.Queued, r.target.queued = queued, queued
			began := time.Now()
			if !fails {
				if err := r.run(t.Context()); err != nil {
					t.Error(err)
				}
				took = time.Since(began)
				return
			}
			r.target.end["v1-1"] = importing.Job{State: importing.Failed, Status: "FAILED"}
			for range 2 {
				if err := r.run(t.Context()); pipeline.KindOf(err) != pipeline.KindFatal {
					t.Errorf("a folder failed: %v", err)
				}
			}
		})
		return r, took
	}
	for queued, hours := range map[int]int{0: 13, 1: 13, 3: 5, 12: 2, 100: 2} {
		r, took := run(queued, false)
		if len(r.target.jobs) != 13 || took < time.Duration(hours)*time.Hour || took > time.Duration(hours)*time.Hour+40*time.Minute {
			t.Errorf("%d queued: %d jobs in %v, want %d hours", queued, len(r.target.jobs), took, hours)
		}
	}
	if r, _ := run(3, true); len(r.target.jobs) != 4 { // v1-3 was begun when v1-0 was in
		t.Errorf("imported %q behind a folder that failed", r.imported())
	}
}

// TestStop: a stop leaves the target's job alone, and the next run takes it up.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
		defer cancel()
		if err := r.run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("stopped by %v", err)
		}
		r.wantImported(t, all[:2]...)
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wantImported(t, all...)
	})
}

// TestGivenUp: a folder of which the job failed holds up all later ones (I11),
// until somebody says that it is to be sent again.
func TestGivenUp(t *testing.T) {
	for _, state := range []importing.State{importing.Failed, importing.Cancelled} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.options.GoOnAfterFailures = true // which is about single resources alone
			r.target.end["v1-0"] = importing.Job{State: state, Status: "FAILED"}
			for range 3 {
				err := r.run(t.Context())
				if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(pipeline.HintOf(err), "--again v1-0") {
					t.Fatalf("%v (try: %s)", err, pipeline.HintOf(err))
				}
			}
			r.wantImported(t, all[:3]...)
			r.options.Again = []string{"v1-0"}
			if err := r.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.wantImported(t, slices.Insert(slices.Clone(all), 3, "v1-0")...)
			if err := r.run(t.Context()); err != nil { // it is in: once is enough
				t.Fatal(err)
			}
			r.wantImported(t, slices.Insert(slices.Clone(all), 3, "v1-0")...)
		})
	}
}

// TestDiffers: numbers that do not add up hold up all later folders.
func TestDiffers(t *testing.T) {
	for name, end := range map[string]importing.Job{
		"a line short":       {Scanned: 11, Imported: 11},
		"a line too many":    {Scanned: 13, Imported: 13},
		"none":               {},
		"a line lost":        {Scanned: 12, Imported: 11},
		"a failure not told": {Scanned: 12, Imported: 10, Failed: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				end.State = importing.Completed
				r.target.end["v1-0"] = end
				r.options.GoOnAfterFailures = true // which is about single resources alone
				r.target.refused["v1-0"] = []importing.Failure{{File: "v1-0/Patient-v1-00000.ndjson", Line: 3}}
				for range 2 {
					err := r.run(t.Context())
					if !errors.Is(err, importing.ErrDiffers) || pipeline.HintOf(err) == "" {
						t.Fatalf("%v (try: %s)", err, pipeline.HintOf(err))
					}
				}
				r.wantImported(t, all[:3]...)
			})
		})
	}
}

// TestRefusedResources: they are kept with what the target says of them, which is
// in no log, and it is the operator's choice whether the later folders are sent.
func TestRefusedResources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.target.end["v1-0"] = importing.Job{State: importing.Completed, Scanned: 12, Imported: 10, Failed: 2}
		r.target.refused["v1-0"] = []importing.Failure{
			{File: "v1-0/Patient-v1-00000.ndjson", Line: 3, Code: "invalid", Raw: []byte(`{"secret":"marker"}`)},
			{File: "v1-0/Patient-v1-00000.ndjson", Line: 7, Code: "invalid", Raw: []byte(`{"secret":"marker"}`)},
		}
		for range 2 {
			err := r.run(t.Context())
			if !errors.Is(err, importing.ErrRefused) || !strings.Contains(err.Error(), "2 of 12") {
				t.Fatal(err)
			}
		}
		r.wantImported(t, all[:3]...)
		r.options.GoOnAfterFailures = true
		if err := r.run(t.Context()); !errors.Is(err, importing.ErrRefused) {
			t.Fatal(err)
		}
		r.wantImported(t, all...)

		kept, err := os.ReadFile(importing.Failures(r.options.State, "", "v1-0"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(kept), "\n"), "\n")
		var last struct {
			File, Reason string
			Line         int64
			Raw          []byte
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
			t.Fatal(err)
		}
		if len(lines) != 2 || last.Line != 7 || last.Reason != "invalid" || !strings.Contains(string(last.Raw), "marker") {
			t.Errorf("kept %q", kept)
		}
		if strings.Contains(r.log.String(), "marker") {
			t.Errorf("the target's words are in the log:\n%s", &r.log)
		}
	})
}

// TestFailuresOfAnEarlierAttemptGo with the attempt.
func TestFailuresOfAnEarlierAttemptGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.target.end["v1-0"] = importing.Job{State: importing.Completed, Scanned: 11, Imported: 10, Failed: 1}
		r.target.refused["v1-0"] = []importing.Failure{{File: "v1-0/Patient-v1-00000.ndjson", Line: 3}}
		if err := r.run(t.Context()); !errors.Is(err, importing.ErrDiffers) {
			t.Fatal(err)
		}
		r.options.Again = []string{"v1-0"}
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(importing.Failures(r.options.State, "", "v1-0")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the failures of the first attempt are still there: %v", err)
		}
	})
}

// TestOthersAreWaitedFor and named.
func TestOthersAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var waits []string
		r.options.Waiting = func(what string) { waits = append(waits, what) }
		other := &fakeJob{folder: "v1-0", token: "theirs", began: time.Now()}
		other.ID, other.Name = "job-of-theirs", "theirs"
		r.target.jobs = append(r.target.jobs, other)
		r.target.end["v1-0"] = importing.Job{State: importing.Failed, Status: "FAILED"} // theirs alone
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wantImported(t, append([]string{"v1-0"}, all...)...)
		if !slices.Contains(waits, "import of somebody else job-of-theirs") || waits[len(waits)-1] != "" {
			t.Errorf("waited for %q", waits)
		}
	})
}

// TestTwoJobsDiffer: what was imported into one store says nothing of another; names
// and tokens differ.
func TestTwoJobsDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, o := range []importing.Options{
		{RunID: "a", Target: "s"}, {RunID: "b", Target: "s"}, {RunID: "a", Target: "t"}, {RunID: "a", Target: "s", Tenant: "x"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.options.RunID, r.options.Target, r.options.Tenant = o.RunID, o.Target, o.Tenant
			r.options.Job = strings.Repeat("j", 40)
			if err := r.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, j := range r.target.jobs {
				if len(j.Name) > 64 || len(j.token) != 64 {
					t.Errorf("name %q, token %q", j.Name, j.token)
				}
				if seen[j.token] != "" || seen[j.Name] != "" {
					t.Errorf("%s of %+v has the token or name of %s", j.folder, o, seen[j.token])
				}
				seen[j.token], seen[j.Name] = j.folder, j.folder
			}
		})
	}
}

// TestOtherFolders: a checkpoint that knows a folder which is not there is of
// other output.
func TestOtherFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.target.order = r.target.order[1:]
		if err := r.run(t.Context()); pipeline.KindOf(err) != pipeline.KindFatal {
			t.Error(err)
		}
	})
}

// A folder that is in one store says nothing of another one.
func TestOtherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		jobs := len(r.target.jobs)
		r.options.Target = "arn:other"
		err := r.run(t.Context())
		if pipeline.KindOf(err) != pipeline.KindConfig || !strings.Contains(err.Error(), "arn:store") || len(r.target.jobs) != jobs {
			t.Errorf("%d jobs: %v", len(r.target.jobs)-jobs, err)
		}
		if begun, err := importing.Begun(r.store); !begun || err != nil {
			t.Errorf("begun %v, %v", begun, err)
		}
		if begun, err := importing.Begun(newRig(t).store); begun || err != nil {
			t.Errorf("begun without an import: %v, %v", begun, err)
		}
	})
}

// TestEnded: the last end is that of the last job, by the target's clock, and
// unknown where the target names none.
func TestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		f := func(tenant string, want time.Time) {
			t.Helper()
			if got, err := importing.Ended(r.store, tenant); err != nil || !got.Equal(want) {
				t.Errorf("ended %v, %v, want %v", got, err, want)
			}
		}
		f("", time.Time{})
		began := time.Now()
		r.options.Tenant = "x"
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		last := r.target.at(r.target.jobs[len(all)-1]).Ended
		if !last.After(began.Add(time.Duration(len(all)) * r.target.lasts)) {
			t.Errorf("the last job has ended at %v", last)
		}
		f("x", last)
		f("", time.Time{})

		r.target.jobs, r.target.endless, r.options.Tenant = nil, "v1-1", ""
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		f("", time.Time{})
	})
}

// TestBegun: what was sent for any tenant was sent.
func TestBegun(t *testing.T) {
	for _, bucket := range []string{"import", "import/a"} {
		store := &memory{buckets: map[string]map[string][]byte{"tenants": {"a": nil, "b": nil}}, fail: never}
		if begun, err := importing.Begun(store); begun || err != nil {
			t.Errorf("%s: %v, %v", bucket, begun, err)
		}
		store.buckets[bucket] = map[string][]byte{"v1-0": []byte("{}")}
		if begun, err := importing.Begun(store); !begun || err != nil {
			t.Errorf("%s: %v, %v", bucket, begun, err)
		}
	}
}
