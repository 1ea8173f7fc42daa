package records_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	"github.com/fhirhose/fhirhose/sources/fhirworks/folders"
)

// disk is an export and a sink on the local disk.
type disk struct {
	Export, Sink string                                // Sink is the job's own folder, <root>/job
	Folders      string                                // of the FHIR Works tool, instead of Export
	All          bool                                  // tenants have theirs: <root>/<tenant>/job
	wrap         func(pipeline.Source) pipeline.Source // nil: the source as it is
}

func (d disk) Open(ctx context.Context, state string) (pipeline.Source, recordstest.Sinks, func(), error) {
	source, err := d.source(ctx, state)
	if err != nil {
		return nil, nil, nil, err
	}
	sinks := func(tenant string) (pipeline.Sink, error) {
		if tenant != "" && !d.All {
			return nil, errors.New("a tenant in a job of one")
		}
		return folder.Open(folder.Options{Dir: d.folder(tenant)})
	}
	if d.wrap != nil {
		return d.wrap(source), sinks, func() {}, nil
	}
	return source, sinks, func() {}, nil
}

func (d disk) source(ctx context.Context, state string) (pipeline.Source, error) {
	if d.Folders != "" {
		return folders.Open(ctx, folders.Options{Location: d.Folders, StateDir: state})
	}
	return dynamoexport.Open(ctx, dynamoexport.Options{Location: d.Export, StateDir: state})
}

// folder is that of a tenant.
func (d disk) folder(tenant string) string {
	return filepath.Join(d.root(), tenant, filepath.Base(d.Sink))
}

func (d disk) root() string { return filepath.Dir(d.Sink) }

func (d disk) Announced(testing.TB) bool {
	name := "migration_output.json"
	if d.All {
		name = "_fhirhose/manifest.json"
	}
	_, err := os.Stat(filepath.Join(d.Sink, name))
	return err == nil
}

func (d disk) Tree(t testing.TB) (tree []string) {
	t.Helper()
	if d.All {
		return treeOf(t, d.root())
	}
	return treeOf(t, d.Sink)
}

func treeOf(t testing.TB, dir string) (tree []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_fhirhose/claim.json") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
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
