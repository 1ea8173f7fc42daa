package deleting_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// TestKilledAnywhere: histories of all kinds, a target in which others have been at
// work, throttled entries, lost answers, and processes that die before or after any
// call, any commit and any step on the disk, many times. What is deleted is what an
// independent oracle says, nothing else is even asked for, and the counts are those
// of a run that nothing disturbed.
//
// WI9: the tool that we replace deletes every superseded version, ignores what
// became of single entries, and has no pace. WI3: what failed after the import makes
// it import again. WV1: it never proves a delete.
func TestKilledAnywhere(t *testing.T) {
	deaths, passes := 0, 0
	sums := deleting.Counts{}
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, randomRows(dice)...)
			w.perSeg, w.options.Parallel, w.options.Batch = 1+dice.IntN(40), 1+dice.IntN(3), 1+dice.IntN(5)
			w.target.most = w.options.Batch
			w.options.Exclusive = dice.IntN(5) == 0
			w.interfere(dice)
			never := map[string]bool{} // the target refuses to delete it
			for key := range w.target.held {
				never[key] = dice.IntN(20) == 0
			}
			w.target.trap = func(key string) int {
				if never[key] {
					return 400
				}
				return 0
			}
			want := map[string]string{}
			for _, r := range w.rows {
				if v := w.verdict(r.key()); v != "" {
					want[r.key()] = v
				}
			}
			before := map[string]string{}
			for key, h := range w.target.held {
				before[key] = string(h.body)
			}
			kills := dice.IntN(3) > 0
			kill := func() error {
				if kills && dice.IntN(15) == 0 {
					return errKilled
				}
				return nil
			}
			defer faultpoint.Set(func(string) error { return kill() })()
			w.target.fail, w.store.fail, w.target.dice = kill, kill, dice
			refuses := w.target.trap
			w.target.trap = func(key string) int {
				if dice.IntN(6) == 0 {
					return []int{429, 500, 503}[dice.IntN(3)]
				}
				return refuses(key)
			}
			for !w.result().Over {
				err := w.run(t.Context())
				if err != nil && !errors.Is(err, errKilled) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if err != nil {
					deaths++
					w.options.Batch = 1 + dice.IntN(w.target.most) // the settings may change
				}
			}
			faultpoint.Set(func(string) error { return nil })
			got := w.result()
			if got.Counts != counts(want) {
				t.Errorf("seed %d: %+v, want %+v", seed, got.Counts, counts(want))
			}
			w.asWanted(seed, want, before)
			if got.Deleted > 0 != !got.Last.IsZero() || got.Last.Before(w.target.last) {
				t.Errorf("seed %d: the last delete was at %v, not %v", seed, w.target.last, got.Last)
			}
			if len(got.Asked) > 0 {
				t.Errorf("seed %d: %d are still to be deleted", seed, len(got.Asked))
			}
			add(&sums, &got.Counts)
			// Once more: what is proved is not asked again, what is left is.
			kills = false
			asked := maps.Clone(w.target.sent)
			again := w.ran()
			if again != got.Counts || !reflect.DeepEqual(asked, w.target.sent) && got.Left() == got.Changed+got.Unchecked {
				t.Errorf("seed %d: again %+v, first %+v", seed, again, got.Counts)
			}
			w.asWanted(seed, want, before)
			passes += w.result().Pass
		})
	}
	t.Logf("%d kills, %d passes, %+v", deaths, passes, sums)
	if least := min(sums.Deleted, sums.Gone, sums.Changed, sums.Unchecked, sums.Refused, sums.Unsettled, sums.Ambiguous, int64(deaths)); least < 20 {
		t.Error("something was hardly tried")
	}
}

func add(sum, c *deleting.Counts) {
	a, b := reflect.ValueOf(sum).Elem(), reflect.ValueOf(c).Elem()
	for i := range a.NumField() {
		a.Field(i).SetInt(a.Field(i).Int() + b.Field(i).Int())
	}
}

// asWanted compares the target and the file of what was left with the oracle.
func (w *world) asWanted(seed uint64, want, before map[string]string) {
	w.Helper()
	for key, h := range w.target.held {
		switch {
		case want[key] == "deleted":
			if h.body != nil || h.deletes != 1 {
				w.Errorf("seed %d: %s was deleted %d times", seed, key, h.deletes)
			}
		case string(h.body) != before[key]:
			w.Errorf("seed %d: %s was changed, though it is %q", seed, key, want[key])
		}
	}
	for key := range w.target.sent {
		if want[key] != "deleted" {
			w.Errorf("seed %d: the target was asked to delete %s, which is %q", seed, key, want[key])
		}
		if strings.Contains(w.log.String(), strings.SplitN(key, "/", 2)[1]+" ") {
			w.Errorf("seed %d: the log tells %s", seed, key)
		}
	}
	kept := maps.Clone(want)
	maps.DeleteFunc(kept, func(_, v string) bool { return v == "deleted" || v == "gone" })
	if got := w.kept(); !reflect.DeepEqual(got, kept) {
		w.Errorf("seed %d: kept %v, want %v", seed, got, kept)
	}
	noneLeft(w.T, w.options.State, fmt.Sprintf("import/deletes-%d.ndjson", w.result().Pass))
}

const (
	available = pipeline.Available
	deleted   = pipeline.Deleted
)

// patient is version v of a Patient, whose content is its version.
func patient(id string, v uint32, status pipeline.DocumentStatus) row {
	return row{typ: "Patient", id: id, version: v, status: status, value: int(v)}
}

// TestSupersededIsNotDeleted (WI9): version 1 is DELETED because version 2 took its
// place; a resource that was deleted and made anew lives.
func TestSupersededIsNotDeleted(t *testing.T) {
	w := newWorld(
		t, patient("lives", 1, deleted), patient("lives", 2, available),
		patient("anew", 1, deleted), patient("anew", 2, deleted), patient("anew", 3, available),
		patient("dead", 1, deleted), patient("dead", 2, deleted),
	)
	if c := w.ran(); c != (deleting.Counts{Deleted: 1}) || !reflect.DeepEqual(w.target.sent, map[string]int{"Patient/dead": 1}) {
		t.Errorf("%+v; sent %v", c, w.target.sent)
	}
}

// TestStale: where the target may have refused the last version, an earlier one of
// ours is deleted too; elsewhere it was somebody else who put it back.
func TestStale(t *testing.T) {
	last := patient("a", 2, deleted)
	w := newWorld(t, patient("a", 1, deleted), last)
	w.target.put("Patient/a", body("Patient", "a", "1"))
	if c := w.ran(); c != (deleting.Counts{Changed: 1}) || len(w.target.sent) > 0 {
		t.Errorf("%+v", c)
	}
	last.refused = true
	w = newWorld(t, patient("a", 1, deleted), last)
	if c := w.ran(); c != (deleting.Counts{Deleted: 1}) {
		t.Errorf("%+v", c)
	}
	never := patient("b", 1, deleted)
	never.refused = true
	w = newWorld(t, never)
	if c := w.ran(); c != (deleting.Counts{Gone: 1}) || len(w.target.sent) > 0 {
		t.Errorf("%+v", c)
	}
}

// TestNotBeforeAllFolders: a later folder would bring back what is deleted (I11).
func TestNotBeforeAllFolders(t *testing.T) {
	for _, record := range []string{"", `{"over":true}`, `{"attempt":1}`} {
		w := newWorld(t, patient("a", 1, deleted), patient("b", 2, available))
		if delete(w.store.buckets["import"], "v2-0"); record != "" {
			w.store.buckets["import"]["v2-0"] = []byte(record)
		}
		err := w.run(t.Context())
		if pipeline.KindOf(err) != pipeline.KindFatal || pipeline.HintOf(err) != "fhirhose import" || w.target.calls > 0 {
			t.Errorf("%q: %v, %d calls", record, err, w.target.calls)
		}
	}
}

// TestChangedMeanwhile: what somebody writes between the look and the delete stays.
func TestChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted))
		w.target.before = func(key string) {
			if key == "Patient/a" && w.target.sent[key] == 1 {
				w.target.put(key, body("Patient", "a", "55"))
			}
		}
		if c := w.ran(); c != (deleting.Counts{Changed: 1, Deleted: 1}) || w.target.held["Patient/a"].body == nil {
			t.Errorf("%+v", c)
		}
	})
}

// TestNeverTheVersion: a target that refuses the version it has just told is not
// asked for ever.
func TestNeverTheVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, patient("a", 1, deleted))
		w.target.before = func(string) { w.target.held["Patient/a"].version++ }
		if c := w.ran(); c != (deleting.Counts{Refused: 1}) || w.kept()["Patient/a"] != "refused-412" {
			t.Errorf("%+v, %v", c, w.kept())
		}
	})
}

// TestNoTime: a target that has no time for hours is waited for; one that has none
// at all ends the run, and the next one goes on.
func TestNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted))
		w.options.Patience = 4 * time.Hour
		free := time.Now().Add(3 * time.Hour)
		w.target.trap = func(string) int {
			if time.Now().Before(free) {
				return 429
			}
			return 0
		}
		if c := w.ran(); c != (deleting.Counts{Deleted: 2}) || w.target.calls > 3*120+20 {
			t.Errorf("%+v, %d calls", c, w.target.calls)
		}
		w = newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted))
		w.target.trap = func(key string) int {
			if key == "Patient/b" {
				return 503
			}
			return 0
		}
		began := time.Now()
		err := w.run(t.Context())
		if took := time.Since(began); pipeline.KindOf(err) != pipeline.KindRetryLater || took < 15*time.Minute || took > 16*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
		w.target.trap = func(string) int { return 0 }
		if c := w.ran(); c != (deleting.Counts{Deleted: 2}) || w.target.held["Patient/a"].deletes != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestLag: a target that does not show yet what it has taken is waited for once, and
// a lost delete is none; what somebody else has deleted, or was refused, is not
// waited for.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := patient("d", 1, deleted)
		never.refused, never.folder = true, 1
		w := newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted), patient("c", 1, deleted), never)
		w.target.held["Patient/c"].body = nil
		begin := time.Now()
		w.target.trap = func(key string) int {
			if time.Since(begin) < 4*time.Minute && key != "Patient/c" {
				return 404
			}
			return 0
		}
		if c := w.ran(); c != (deleting.Counts{Deleted: 2, Gone: 2}) || time.Since(begin) > 5*time.Minute {
			t.Errorf("%+v after %v", c, time.Since(begin))
		}
		w = newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted))
		w.options.Batch, w.options.Parallel = 1, 1
		w.target.most = 1
		clear(w.target.held)
		begin = time.Now()
		if c := w.ran(); c != (deleting.Counts{Gone: 2}) || time.Since(begin) < 5*time.Minute || time.Since(begin) > 6*time.Minute {
			t.Errorf("%+v after %v", c, time.Since(begin))
		}
	})
}

// TestAgain: a pass about all deletes what is there again.
func TestAgain(t *testing.T) {
	w := newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted), patient("c", 1, available))
	w.ran()
	w.target.put("Patient/b", body("Patient", "b", "1"))
	if c := w.ran(); c != (deleting.Counts{Deleted: 2}) || w.target.held["Patient/b"].body == nil {
		t.Errorf("%+v", c)
	}
	w.options.Again = true
	if c := w.ran(); c != (deleting.Counts{Deleted: 1, Gone: 1}) || w.target.held["Patient/b"].body != nil {
		t.Errorf("%+v", c)
	}
}

// TestSlow: a target that gets one thing done in ten minutes has time; one that does
// not know the call has not.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted), patient("c", 1, deleted), patient("d", 1, deleted))
		began := time.Now()
		w.target.trap = func(key string) int {
			switch free := map[string]time.Duration{"Patient/b": 10, "Patient/c": 20}[key] * time.Minute; {
			case key == "Patient/d":
				return 501
			case time.Since(began) < free:
				return 503
			}
			return 0
		}
		if c := w.ran(); c != (deleting.Counts{Deleted: 3, Refused: 1}) {
			t.Errorf("%+v", c)
		}
	})
}

// TestStopped: a cancelled context ends it between two tries, at once.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, patient("a", 1, deleted))
		w.target.trap = func(string) int { return 429 }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := w.run(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestEnded: when the last delete was is told by the target's clock, or else ours.
func TestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, patient("a", 1, deleted))
		if at, err := deleting.Ended(w.store, ""); err != nil || !at.IsZero() {
			t.Errorf("%v, %v", at, err)
		}
		w.target.clock = 100 * time.Hour
		w.ran()
		if at, err := deleting.Ended(w.store, ""); err != nil || !at.Equal(time.Now().Add(100*time.Hour).Truncate(time.Second)) {
			t.Errorf("%v, %v", at, err)
		}
		w = newWorld(t, patient("a", 1, available))
		w.ran()
		if at, err := deleting.Ended(w.store, ""); err != nil || !at.IsZero() || !w.result().Done() {
			t.Errorf("%v, %v", at, err)
		}
	})
}

// TestMended: what was left is tried again, and nothing else.
func TestMended(t *testing.T) {
	w := newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted), patient("c", 1, deleted), patient("d", 1, deleted))
	w.target.held["Patient/a"].body = []byte(`{"id":"a"`)
	w.target.held["Patient/b"].body = []byte("no JSON")
	w.target.put("Patient/c", body("Patient", "c", "77"))
	if c := w.ran(); c != (deleting.Counts{Deleted: 1, Unchecked: 2, Changed: 1}) || w.result().Done() {
		t.Errorf("%+v", c)
	}
	w.options.Exclusive = true
	if c := w.ran(); c != (deleting.Counts{Deleted: 4}) || w.target.sent["Patient/d"] != 1 || !w.result().Done() {
		t.Errorf("%+v, %v", c, w.target.sent)
	}
	noneLeft(t, w.options.State)
	calls := w.target.calls
	if w.ran(); w.target.calls != calls {
		t.Error("it was asked again")
	}
}

// TestLarge: what is too large for a batch is read alone and compared, however large.
func TestLarge(t *testing.T) {
	data := strings.Repeat("QUJD", 6<<20) // 24 MiB
	w := newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted), patient("c", 1, deleted))
	for _, id := range []string{"a", "b", "c"} {
		w.target.held["Patient/"+id].large = true
	}
	w.target.held["Patient/c"].body = []byte(`{"resourceType":"Patient","id":"c","data":"` + data + `","more":"` + data + `"}`)
	// The ledger of one that is as large, and ours.
	w.rows[1].text = data
	w.target.put("Patient/b", w.rows[1].body())
	if c := w.ran(); c != (deleting.Counts{Deleted: 2, Unchecked: 1}) || w.kept()["Patient/c"] != "not-checked" {
		t.Errorf("%+v, %v", c, w.kept())
	}
	noneLeft(t, w.options.State, "import/deletes-1.ndjson")
}

// TestDamagedState: a file of what was left that is not as it was is no reason to
// forget what it held.
func TestDamagedState(t *testing.T) {
	w := newWorld(t, patient("a", 1, deleted))
	w.target.held["Patient/a"].body = []byte("no JSON")
	w.ran()
	path := deleting.Kept(w.options.State, "", 1)
	if strings.EqualFold(deleting.Kept("state", "a", 1), deleting.Kept("state", "A", 1)) {
		t.Error("two tenants have one file where the file system takes a for A")
	}
	if path != filepath.Join(w.options.State, "import", "deletes-1.ndjson") {
		t.Error(path)
	}
	cutOff(t, path)
	if err := w.run(t.Context()); pipeline.KindOf(err) != pipeline.KindFatal {
		t.Error(err)
	}
	// The same in the middle of a pass.
	w = newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted))
	w.options.Batch, w.options.Parallel, w.target.most = 1, 1, 1
	w.target.held["Patient/a"].body, w.target.held["Patient/b"].body = []byte("no JSON"), []byte("no JSON")
	w.dies(t, 3) // the second round is in the file, and not in the checkpoint
	path = deleting.Kept(w.options.State, "", 1)
	content, err := os.ReadFile(path)
	if err != nil || bytes.Count(content, []byte("\n")) != 2 || w.result().Kept != int64(len(content)/2) {
		t.Fatalf("%v: %q, %+v", err, content, w.result())
	}
	last := bytes.Contains(content[len(content)/2:], []byte(`"a"`)) // which came last, and is gone when it is looked at again
	delete(w.target.held, map[bool]string{true: "Patient/a", false: "Patient/b"}[last])
	w.options.Lag = time.Nanosecond
	if c := w.ran(); c != (deleting.Counts{Unchecked: 1, Gone: 1}) || len(w.kept()) != 1 {
		t.Errorf("%+v, %v", c, w.kept())
	}
	w = newWorld(t, patient("a", 1, deleted), patient("b", 1, deleted))
	w.options.Batch, w.options.Parallel, w.target.most = 1, 1, 1
	w.target.held["Patient/a"].body, w.target.held["Patient/b"].body = []byte("no JSON"), []byte("no JSON")
	w.dies(t, 3)
	if err := os.Truncate(deleting.Kept(w.options.State, "", 1), 3); err != nil {
		t.Fatal(err)
	}
	if err := w.run(t.Context()); pipeline.KindOf(err) != pipeline.KindFatal {
		t.Error(err)
	}
}

// dies runs until the n-th commit, before it.
func (w *world) dies(t *testing.T, n int) {
	t.Helper()
	asked := 0
	w.store.fail = func() error { // asked before and after
		if asked++; asked == 2*n-1 {
			return errKilled
		}
		return nil
	}
	if err := w.run(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.store.fail = func() error { return nil }
}
