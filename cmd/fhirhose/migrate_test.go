package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

const verifyTo = "--verify.export_to=s3://bucket/verification"

// TestMigrate: one command, its stops, and its second run.
func TestMigrate(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{}, `{"Item":`)
	r.run(2, "migrate") // days later would be too late
	r.says("verify.export_to: is missing")
	if n := len(r.memory.Objects()); n > 0 {
		t.Errorf("%d objects were written for a job that cannot end", n)
	}
	r.run(3, "migrate", verifyTo) // a person has to look at what is quarantined
	if n := r.starts(); n > 0 {
		t.Errorf("%d imports in spite of quarantined records", n)
	}
	r.says("not-json")
	// The table has a resource of an ambiguous id that is deleted: it stays, and is told.
	r.run(4, "migrate", verifyTo, "--on_quarantine=continue")
	r.says("job a: 4 of 4 folders imported", "by mode export", "ambiguous")
	r.arrived()
	calls := r.simulation.Calls()
	r.run(4, "migrate", verifyTo, "--on_quarantine=continue", "--json")
	if after := r.simulation.Calls(); after["StartFHIRImportJob"] != calls["StartFHIRImportJob"] || after["batch"] != calls["batch"] {
		t.Error("a finished import did something")
	}
	if !json.Valid(r.out.Bytes()) {
		t.Errorf("--json is no single document: %s", r.out.Bytes())
	}
}

// TestMigrateStays: a delete that could not be applied is no reason not to verify. The
// report names it, and the next run tries it again.
func TestMigrateStays(t *testing.T) {
	r := newDeletesRig(t, healthlaketest.Traps{EntryStatus: func(method, url string) int {
		if method == "DELETE" && url == patientKey(103) {
			return 409
		}
		return 0
	}})
	r.run(4, "migrate", verifyTo)
	r.says("deletes   19 applied", "by mode export", "SAFE TO CUT OVER: no", "which HealthLake refuses to delete")
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.EntryStatus = nil })
	r.run(4, "migrate", verifyTo) // the ambiguous one
	r.says("deletes   20 applied")
	if strings.Contains(r.out.String(), "which HealthLake refuses to delete") {
		t.Error(r.out.String())
	}
	r.holds(alive())
}

// TestPersist: what may pass by itself is tried again, with growing pauses and for
// a day; nothing else is.
func TestPersist(t *testing.T) {
	later := &pipeline.Error{Op: "read", Object: "x", Kind: pipeline.KindRetryLater, Err: errors.New("no network")}
	run := func(signals chan os.Signal, p phase) (took time.Duration, err error) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stopping := watch(t.Context(), signals)
			defer stopping.done()
			c := &cli{process: &process{}, stopping: stopping}
			began := time.Now()
			err = c.persist(ctx, slog.New(slog.DiscardHandler), p)
			took = time.Since(began)
		})
		return took, err
	}
	runs := 0
	took, err := run(nil, phase{run: func(context.Context) error {
		if runs++; runs < 5 {
			return later
		}
		return nil
	}})
	if err != nil || runs != 5 || took < 2*time.Minute || took > time.Hour {
		t.Errorf("%d runs in %v: %v", runs, took, err)
	}
	runs = 0
	if took, err = run(nil, phase{run: func(context.Context) error { runs++; return later }}); !errors.Is(err, later) || took < 12*time.Hour || took > 48*time.Hour {
		t.Errorf("gave up after %v: %v", took, err)
	}
	runs = 0
	fatal := &pipeline.Error{Op: "read", Object: "x", Kind: pipeline.KindFatal, Err: errors.New("broken")}
	if took, err = run(nil, phase{run: func(context.Context) error { runs++; return fatal }}); !errors.Is(err, fatal) || runs != 1 || took > 0 {
		t.Errorf("%d runs in %v: %v", runs, took, err)
	}
	signals := make(chan os.Signal, 1)
	if took, err = run(signals, phase{run: func(context.Context) error { signals <- syscall.SIGTERM; return later }}); !errors.Is(err, context.Canceled) || took > time.Minute {
		t.Errorf("a signal while it waits: %v after %v", err, took)
	}
}

// TestMigrateStopped: a signal within the import ends the migration there, with the
// signal's code, and the next run ends it.
func TestMigrateStopped(t *testing.T) {
	traps := healthlaketest.Traps{}
	r := newImportRig(t, traps)
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Latency = func(call healthlaketest.Call) time.Duration {
			if call.Op == "StartFHIRImportJob" && call.N == 2 {
				r.signals <- syscall.SIGTERM
			}
			return 0
		}
	})
	r.run(143, "migrate", verifyTo)
	r.says("stopped by a signal", "goes on from here")
	if strings.Contains(r.out.String(), "by mode export") {
		t.Error("it went on to verify")
	}
	if _, err := os.Stat(filepath.Join(r.dir, "state", "verify")); err == nil {
		t.Error("a verification has begun")
	}
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.Latency = nil })
	r.run(4, "migrate", verifyTo) // the ambiguous one
	r.arrived()
}
