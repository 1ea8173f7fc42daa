package records_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/sinks/folder"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
)

// jobDirs is one job on the local disk: an export, a state and a sink, all real.
type jobDirs struct {
	export, state, sink string
	wrap                func(pipeline.Source) pipeline.Source // nil: the source as it is
}

func newJob(t testing.TB, export string) jobDirs {
	t.Helper()
	dir := t.TempDir()
	return jobDirs{export: export, state: filepath.Join(dir, "state"), sink: filepath.Join(dir, "sink", "job")}
}

// smallOptions scales everything down, so that a job of a few hundred records
// rolls files, folders and ledger segments, and cuts all the time.
func smallOptions() records.Options {
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

// smallExport has at least three objects per lane, uneven ones, empty ones and
// planted defects.
func smallExport(t testing.TB) string {
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

// run runs the job once in this process, like cmd/fhirhose does.
func (j jobDirs) run(ctx context.Context, o records.Options, stop <-chan struct{}) (*records.Mover, error) {
	if err := durable.MkdirAll(j.state); err != nil {
		return nil, durable.Failure("make state", j.state, err)
	}
	var source pipeline.Source
	source, err := dynamoexport.Open(ctx, dynamoexport.Options{Location: j.export, StateDir: j.state})
	if err != nil {
		return nil, err
	}
	if j.wrap != nil {
		source = j.wrap(source)
	}
	sink, err := folder.Open(folder.Options{Dir: j.sink})
	if err != nil {
		return nil, err
	}
	store, err := checkpoint.Open(filepath.Join(j.state, "checkpoint.db"), checkpoint.NewIdentity(o.Shape(), source.Objects()))
	if err != nil {
		return nil, err
	}
	o.State, o.Claim = j.state, store.Claim()
	m, err := records.New(o, source, sink, store, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	err = m.Run(ctx, stop)
	return m, errors.Join(err, store.Close())
}

// mustRun runs the job to its end.
func (j jobDirs) mustRun(t testing.TB, o records.Options) *records.Mover {
	t.Helper()
	m, err := j.run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tree returns every file below the sink but the claim, which names the run, as
// "name size sha256", in order.
func (j jobDirs) tree(t testing.TB) []string {
	t.Helper()
	var tree []string
	err := filepath.WalkDir(j.sink, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_fhirhose/claim.json") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(j.sink, path)
		sum := sha256.Sum256(content)
		tree = append(tree, fmt.Sprintf("%s %d %s", name, len(content), hex.EncodeToString(sum[:])))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(tree)
	return tree
}

// sameTree fails the test where two outputs differ, and names the first file.
func sameTree(t testing.TB, got, want []string) {
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
