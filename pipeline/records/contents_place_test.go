package records_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/sources/binarybucket"
)

// vault is a job's place with the contents of Binaries: one directory holds what
// is listed, another what is noncurrent.
type vault struct {
	disk
	Contents, Old string
	Tenant        string                                    // of a job of one tenant
	RangeBytes    int64                                     // read at a time of a large content; 0: few
	wrapContents  func(pipeline.Contents) pipeline.Contents // nil: as they are
}

var _ recordstest.ContentPlace = vault{}

func (v vault) OpenContents(_ context.Context, state string) (pipeline.Contents, func() error, error) {
	o := binarybucket.Options{Location: v.Contents, StateDir: state, RangeBytes: cmp.Or(v.RangeBytes, 16<<10)}
	if v.Tenant != "" {
		o.Prefix = v.Tenant + "/"
	}
	current, err := binarybucket.Open(o)
	if err != nil {
		return nil, nil, err
	}
	o.Location, o.StateDir = v.Old, filepath.Join(state, "old")
	old, err := binarybucket.Open(o)
	if err != nil {
		return nil, nil, err
	}
	var contents pipeline.Contents = versions{current, old}
	if v.wrapContents != nil {
		contents = v.wrapContents(contents)
	}
	return contents, func() error { return errors.Join(current.Close(), old.Close()) }, nil
}

// versions are contents with noncurrent objects, as a bucket with versions has
// them: a directory has none.
type versions struct {
	pipeline.Contents
	old pipeline.Contents
}

func (v versions) List(ctx context.Context, progress func(int64)) error {
	return errors.Join(v.Contents.List(ctx, progress), v.old.List(ctx, func(int64) {}))
}

func (v versions) Erased(_ context.Context, prefix string) ([]pipeline.Content, error) {
	found, _, err := v.old.Find(prefix)
	for i := range found {
		found[i].VersionID = "noncurrent"
	}
	return found, err
}

func (v versions) of(c *pipeline.Content) pipeline.Contents {
	if c.VersionID == "" {
		return v.Contents
	}
	c.VersionID = ""
	return v.old
}

func (v versions) Open(ctx context.Context, c pipeline.Content, offset int64) (io.ReadCloser, error) {
	return v.of(&c).Open(ctx, c, offset)
}

func (v versions) Stage(ctx context.Context, c pipeline.Content, path string) error {
	return v.of(&c).Stage(ctx, c, path)
}

// contentsJob is a job that fetches contents, over a table.
type contentsJob struct {
	recordstest.Job
	vault
}

// newContentsJob scales the second pipeline down, so that a content of some KiB is
// a large one and cuts come within it.
func newContentsJob(t testing.TB, b *table, tenant string) contentsJob {
	t.Helper()
	j := newJob(t, b.export)
	if tenant == "*" {
		j = allTenants(j)
	} else if tenant != "" {
		j = ofTenant(t, b.export, tenant)
	}
	j.Options.Convert.BinaryField = "data"
	j.Options.Convert.Until = untilBound
	j.Options.Binaries = &binaries.Options{
		Caps:  shard.Caps{FileBytes: 96 << 10, FolderBytes: 400 << 10, FolderFiles: 5},
		Spool: 1 << 30, Fetches: 4, SmallBytes: 4 << 10, ChunkBytes: 3 << 10, Window: 32,
	}
	v := vault{disk: j.disk, Contents: b.contents, Old: b.old}
	if tenant != "*" {
		v.Tenant = tenant
	}
	j.Place = v
	return contentsJob{j.Job, v}
}

// with has the job's contents wrapped.
func (j contentsJob) with(wrap func(pipeline.Contents) pipeline.Contents) contentsJob {
	j.wrapContents = wrap
	j.Place = j.vault
	return j
}

// untilBound leaves out the rows that a table says are late.
const untilBound = "2026-06-01T00:00:00Z"

// exported is when the exports of generate were made.
var exported = time.Date(2023, 9, 2, 20, 16, 50, 0, time.UTC)
