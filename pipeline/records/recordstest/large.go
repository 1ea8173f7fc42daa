package recordstest

import (
	"encoding/json"
	"errors"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// Moment is when a child is SIGKILLed within the one large content of a job: after
// Since, which is "range" while the content is staged, or "chunk" while its line
// is encoded and written.
type Moment struct {
	Since  string
	Point  string        // at the Nth passing of this fault point,
	N      int           //
	Within time.Duration // or at a seeded random moment within this time
}

// KillWithinLarge SIGKILLs children within the one large content of a job, at each
// moment in turn, proves by what they leave in `state` that they were there, and
// lets the job end (I2). newJob returns a job over the same input in a fresh place.
// The environment variable FHIRHOSE_KILLS has the moments come round so many times.
func KillWithinLarge(t *testing.T, newJob func(t *testing.T) Job, moments ...Moment) {
	var want []string
	t.Run("whole", func(t *testing.T) {
		j := newJob(t)
		j.inChild(t, order{})
		want = j.Place.Tree(t)
	})
	moments = slices.Repeat(moments, max(1, killsWanted(t, 0)/len(moments)))
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 + len(moments) {
		if len(moments) == 0 || t.Failed() {
			return
		}
		t.Run("killed", func(t *testing.T) {
			j := newJob(t)
			moments = j.killWithinLarge(t, random, moments)
			j.finish(t, want)
		})
	}
	t.Errorf("never killed at %+v", moments)
}

// killWithinLarge returns the moments that are left: where a disk was slow a
// process has committed nothing of the content yet, or has come past it.
func (j Job) killWithinLarge(t *testing.T, random *rand.Rand, moments []Moment) (left []Moment) {
	t.Helper()
	var past largeProgress
	for len(moments) > 0 {
		at := moments[0]
		o := order{Since: at.Since, Point: at.Point, N: at.N}
		if at.Within > 0 {
			o.After = time.Duration(random.Int64N(int64(at.Within))) + time.Millisecond
		}
		if !j.inChild(t, o) {
			break
		}
		now := j.largeProgress(t)
		t.Logf("%+v, after %v: %+v", at, o.After, now)
		switch {
		case now.Offset < past.Offset, past.Offset > 0 && now.Staging, now.Staging && now.Copied < past.Copied:
			t.Errorf("%+v, and before that %+v", now, past)
		case at.Point == "range" && now.Copied == 0:
			t.Errorf("nothing of %d ranges is noted", at.N)
		}
		if now.Staging != (at.Since == "range") || (now.Offset > 0) != (at.Since == "chunk") {
			break
		}
		past, moments = now, moments[1:]
	}
	return moments
}

// largeProgress is how far a job has come with its large content, by its `state`.
type largeProgress struct {
	Staging bool  // a part of it is copied
	Copied  int   // ranges that the next process need not copy
	Offset  int64 `json:"offset"` // bytes whose base64 is committed; 0 before the first and after the last cut within it
}

func (j Job) largeProgress(t *testing.T) largeProgress {
	t.Helper()
	var state struct{ Large largeProgress }
	db, err := bbolt.Open(j.checkpoint(), 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("binaries"))
		if bucket == nil || bucket.Get([]byte("state")) == nil {
			return nil // before the first cut
		}
		return json.Unmarshal(bucket.Get([]byte("state")), &state)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	state.Large.Staging = len(j.besideContent(t, ".part")) > 0
	for _, name := range j.besideContent(t, ".progress") {
		var noted struct{ Done []byte }
		text, err := os.ReadFile(name)
		if err := errors.Join(err, json.Unmarshal(text, &noted)); err != nil {
			t.Fatal(err)
		}
		for _, ranges := range noted.Done {
			state.Large.Copied += bits.OnesCount8(ranges)
		}
	}
	return state.Large
}

// besideContent names what lies in `state` beside the copy of the content.
func (j Job) besideContent(t *testing.T, suffix string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(j.State, "binaries", "content-*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}
