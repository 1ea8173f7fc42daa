package recordstest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// Place is where a job's data lie. It marshals to JSON, and [Main] is given the
// function that brings it back in a child process.
type Place interface {
	// Open opens the source and what opens sinks as cmd/fhirhose would, and
	// returns what closes them.
	Open(ctx context.Context, state string) (pipeline.Source, Sinks, func(), error)
	// Tree lists what is in the sinks but the claims, which name the run: name,
	// size and SHA-256 (and ETag) of each file, in order, and every temporary
	// and unfinished upload.
	Tree(t testing.TB) []string
	// Announced tells whether the job is finished: migration_output.json is in
	// the sink or, in a job of all tenants, the job's own manifest.
	Announced(t testing.TB) bool
}

// ContentPlace is a Place where the contents of Binaries lie too. A job with
// Options.Binaries needs one.
type ContentPlace interface {
	Place
	// OpenContents opens them as cmd/fhirhose would, and returns what closes them.
	OpenContents(ctx context.Context, state string) (pipeline.Contents, func() error, error)
}

// Sinks opens the sink of a tenant.
type Sinks = func(tenant string) (pipeline.Sink, error)

// Job is one job of a test.
type Job struct {
	Place   Place
	State   string
	Options records.Options
}

// Run runs the job once in this process.
func (j Job) Run(ctx context.Context, stop <-chan struct{}) (*records.Mover, error) {
	if err := durable.MkdirAll(j.State); err != nil {
		return nil, durable.Failure("make state", j.State, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	source, sinks, closeAll, err := j.Place.Open(ctx, j.State)
	if err != nil {
		cancel()
		return nil, err
	}
	defer closeAll()
	defer cancel() // transfers end before closeAll waits for them
	store, err := checkpoint.Open(j.checkpoint(), checkpoint.NewIdentity(j.Options.Shape(), source.Objects()))
	if err != nil {
		return nil, err
	}
	o := j.Options
	o.State, o.Claim = j.State, store.Claim()
	closeContents := func() error { return nil }
	if place, ok := j.Place.(ContentPlace); ok && o.Binaries != nil {
		if o.Contents, closeContents, err = place.OpenContents(ctx, j.State); err != nil {
			return nil, errors.Join(err, store.Close())
		}
	}
	m, err := records.New(o, source, sinks, store, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err == nil {
		err = m.Run(ctx, stop)
	}
	return m, errors.Join(err, closeContents(), store.Close())
}

func (j Job) checkpoint() string { return filepath.Join(j.State, "checkpoint.db") }

// MustRun runs the job to its end.
func (j Job) MustRun(t testing.TB) *records.Mover {
	t.Helper()
	m, err := j.Run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// SmallOptions scales everything down, so that a job of a few hundred records
// rolls files, folders and ledger segments, and cuts all the time.
func SmallOptions() records.Options {
	return records.Options{
		Job: "job", Prefix: "job/",
		Convert:    convert.Options{Deleted: true},
		Caps:       shard.Caps{FileBytes: 24 << 10, FolderBytes: 300 << 10, FolderFiles: 40},
		Lanes:      3,
		BatchBytes: 4 << 10, SegmentEntries: 128,
		Memory: 256 << 20, Workers: 2, Spool: 1 << 30,
		CutEvery: time.Millisecond, CutBytes: 32 << 10, CutRest: -1,
	}
}

// SmallExport has at least three objects per lane of SmallOptions, uneven ones,
// empty ones and planted defects.
func SmallExport(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	_, err := generate.Write(t.Context(), generate.Options{
		Dir: dir, Seed: 7, Resources: 600, Types: 12, Versions: 3, Objects: 10, Skew: 5, EmptyObjects: 2,
		Plant: []generate.Defect{generate.NotJSON, generate.BadType, generate.DuplicateRow, generate.PendingTop, generate.TwoTypes},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// SameTree fails the test where two outputs differ, and names the first file.
func SameTree(t testing.TB, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("unexpected: %s", line)
			break
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing:    %s", line)
			break
		}
	}
	t.Fatalf("the output differs: %d files, %d expected", len(got), len(want))
}

// encoded is a Job as a child gets it: without what is no data.
type encoded struct {
	Place json.RawMessage
	Dir   string // state
	records.Options
	OnCut    *struct{} `json:",omitempty"`
	Contents *struct{} `json:",omitempty"` // the child opens them
	Binaries *encodedBinaries
}

// encodedBinaries are the settings of the second pipeline as a child gets them.
type encodedBinaries struct {
	binaries.Options
	Heavy *struct{} `json:",omitempty"`
	OnCut *struct{} `json:",omitempty"`
}

func encode(j Job) (e encoded, err error) {
	e = encoded{Dir: j.State, Options: j.Options}
	if b := j.Options.Binaries; b != nil {
		e.Binaries = &encodedBinaries{Options: *b}
	}
	e.Place, err = json.Marshal(j.Place)
	return e, err
}

func (e *encoded) job(place Place) Job {
	j := Job{Place: place, State: e.Dir, Options: e.Options}
	if e.Binaries != nil {
		j.Options.Binaries = &e.Binaries.Options
	}
	return j
}
