package records_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/folder"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
)

// disk is an export and a sink on the local disk.
type disk struct {
	Export, Sink string
	wrap         func(pipeline.Source) pipeline.Source // nil: the source as it is
}

func (d disk) Open(ctx context.Context, state string) (pipeline.Source, pipeline.Sink, func(), error) {
	source, err := dynamoexport.Open(ctx, dynamoexport.Options{Location: d.Export, StateDir: state})
	if err != nil {
		return nil, nil, nil, err
	}
	sink, err := folder.Open(folder.Options{Dir: d.Sink})
	if err != nil {
		return nil, nil, nil, err
	}
	if d.wrap != nil {
		return d.wrap(source), sink, func() {}, nil
	}
	return source, sink, func() {}, nil
}

func (d disk) Announced(testing.TB) bool {
	_, err := os.Stat(filepath.Join(d.Sink, "migration_output.json"))
	return err == nil
}

func (d disk) Tree(t testing.TB) (tree []string) {
	t.Helper()
	err := filepath.WalkDir(d.Sink, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_fhirhose/claim.json") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(d.Sink, path)
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

// diskJob is a job on the local disk.
type diskJob struct {
	recordstest.Job
	disk
}

func newJob(t testing.TB, export string) diskJob {
	t.Helper()
	dir := t.TempDir()
	place := disk{Export: export, Sink: filepath.Join(dir, "sink", "job")}
	return diskJob{recordstest.Job{Place: place, State: filepath.Join(dir, "state"), Options: recordstest.SmallOptions()}, place}
}

func jobsOver(export string) func(t *testing.T) recordstest.Job {
	return func(t *testing.T) recordstest.Job { return newJob(t, export).Job }
}
