package verify

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// counter answers by type; what is absent is refused.
type counter map[string]func() int64

func (c counter) Count(_ context.Context, typ string) (int64, error) {
	if c[typ] == nil {
		return 0, &pipeline.Error{Kind: pipeline.KindFatal, Err: errors.New("unknown type")}
	}
	return c[typ](), nil
}

func always(n int64) func() int64 { return func() int64 { return n } }

func countBook(t *testing.T) *ledger.Ledger {
	var entries []ledger.Entry
	add := func(typ, id string, status pipeline.DocumentStatus, reason pipeline.Reason) {
		entries = append(entries, body{typ: typ, id: id, value: "1"}.entry(t, 1, status, reason))
	}
	add("Patient", "a", pipeline.Available, pipeline.NoReason)
	add("Patient", "b", pipeline.Available, pipeline.NoReason)
	add("Patient", "gone", pipeline.Deleted, pipeline.NoReason)
	add("Observation", "c", pipeline.Available, pipeline.NoReason)
	add("Observation", "unsettled", pipeline.Available, pipeline.BadMeta)
	add("Observation", "filtered", pipeline.Available, pipeline.OtherType)
	add("Flag", "both", pipeline.Deleted, pipeline.NoReason)
	add("Group", "both", pipeline.Available, pipeline.NoReason)
	add("Observation", refusedAll, pipeline.Available, pipeline.NoReason)
	add("Slot", "pending", pipeline.Pending, pipeline.IsPending)
	return openLedger(t, entries, 4)
}

// TestCounts (WV7, WV10): too few and too many are told by type, also of types that
// the source never had, and what is uncertain is not called good.
func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := counter{
			"Patient": always(1), "Observation": always(2), "Flag": always(1), "Group": always(1), "Slot": always(0),
			"Account": always(3), "Basic": always(0),
		}
		settled := 0
		began := time.Now()
		counted, err := Counts(t.Context(), countBook(t), target, CountOptions{
			Types: []string{"Account", "Basic", "Patient", "Parameters"}, Refused: refused, Progress: func(n, _ int) { settled = n },
		})
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 5*time.Minute {
			t.Errorf("it gave up after %s", waited)
		}
		want := map[string][3]int64{
			"Patient": {1, 0, 0}, "Observation": {0, 0, 2}, "Flag": {0, 0, 1}, "Group": {}, "Slot": {}, "Account": {0, 3, 0}, "Basic": {}, "Parameters": {},
		}
		for name, c := range counted {
			if got := [3]int64{c.Missing(), c.Extra(), c.uncertain()}; got != want[name] {
				t.Errorf("%s: missing, extra, uncertain %d, want %d", name, got, want[name])
			}
			if name == "Observation" && c.Uncertain[LeftOut] != 2 {
				t.Errorf("left out: %v", c.Uncertain)
			}
			if c.Answered != (name != "Parameters") {
				t.Errorf("%s: answered %t", name, c.Answered)
			}
		}
		if len(counted) != len(want) || settled != len(want)-2 {
			t.Errorf("%d types, %d settled", len(counted), settled)
		}
	})
}

// TestCountsLag: a count that comes late is no difference, and types that agree are
// not asked again.
func TestCountsLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, asked := time.Now(), 0
		late := func() int64 {
			if time.Since(began) < 20*time.Second {
				return 3
			}
			return 2
		}
		target := counter{
			"Patient": late, "Observation": always(1), "Group": always(1), "Slot": always(0),
			"Flag": func() int64 { asked++; return 0 },
		}
		counted, err := Counts(t.Context(), countBook(t), target, CountOptions{Refused: refused})
		if err != nil {
			t.Fatal(err)
		}
		if c := counted["Patient"]; c.Missing() != 0 || c.Extra() != 0 {
			t.Errorf("%+v", c)
		}
		if waited := time.Since(began); asked != 1 || waited != 35*time.Second {
			t.Errorf("asked %d times, waited %s", asked, waited)
		}
	})
}

// TestCountsStop: a stop ends the waiting, and other errors all of it.
func TestCountsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		target := counter{"Patient": always(9), "Observation": always(1), "Group": always(1), "Slot": always(0), "Flag": always(0)}
		if _, err := Counts(ctx, countBook(t), target, CountOptions{Refused: refused}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := Counts(t.Context(), countBook(t), failing{}, CountOptions{Refused: refused}); !errors.Is(err, errFailing) {
			t.Error(err)
		}
	})
}

var errFailing = errors.New("throttled")

type failing struct{}

func (failing) Count(context.Context, string) (int64, error) {
	return 0, &pipeline.Error{Kind: pipeline.KindRetryLater, Err: errFailing}
}
