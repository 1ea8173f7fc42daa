package main

import (
	"context"
	"errors"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/sources/binarybucket"
)

// openedContents are the contents of Binaries and what they stand on.
type openedContents struct {
	*binarybucket.Source
	store *objectstore.Store // nil in a directory
}

// Close gives up the listing and the connections.
func (c *openedContents) Close() error {
	err := c.Source.Close()
	if c.store != nil {
		c.store.Close()
	}
	return err
}

// openContents opens what source.binaries names; it is nil where the job fetches
// no contents. Of one tenant's job it is that tenant's part.
func (w *wiring) openContents(ctx context.Context) (*openedContents, error) {
	from := w.job.Source
	if from.BinaryRows != jobfile.BinariesFetch {
		return nil, nil
	}
	options := binarybucket.Options{Location: from.Binaries.String(), Prefix: contentPrefix(w.job), StateDir: w.job.State}
	store, err := w.openContentStore(ctx)
	if err != nil {
		return nil, err
	}
	if store != nil {
		options.Bucket = store
	}
	source, err := binarybucket.Open(options)
	if err != nil {
		return nil, err
	}
	return &openedContents{source, store}, nil
}

// lookAtContents tells whether the job can list its contents, if it fetches any.
func (w *wiring) lookAtContents(ctx context.Context) error {
	contents, err := w.openContents(ctx)
	if err != nil || contents == nil {
		return err
	}
	return errors.Join(contents.Look(ctx), contents.Close())
}

// openContentStore opens the bucket of contents, which shares region, owner and
// switches with that of the export; it is nil where they lie in a directory.
func (w *wiring) openContentStore(ctx context.Context) (*objectstore.Store, error) {
	from := w.job.Source
	if !from.Binaries.IsS3() {
		return nil, nil
	}
	return w.openStore(ctx, from.Binaries, objectstore.Options{
		Region: from.Region, PathStyle: from.S3.PathStyle, ExpectedBucketOwner: from.Owner,
	})
}

// contentPrefix is what the keys of all contents of the job begin with.
func contentPrefix(job *jobfile.Job) string {
	if tenant := job.Source.Tenant; tenant != "" && tenant != "*" {
		return tenant + "/"
	}
	return ""
}

// binaryOptions are those of the job's second pipeline, but for what it shares
// with the first: Objects, Memory, Heavy and OnCut.
func binaryOptions(job *jobfile.Job) binaries.Options {
	return binaries.Options{
		Tenant: job.Source.Tenant, Caps: binaryCaps(job), Field: job.Source.BinaryField,
		RecoverDeleted: job.Source.RecoverDeleted,
		State:          job.State, Fetches: job.Limits.Binaries, Spool: contentSpool(job),
	}
}

func binaryCaps(job *jobfile.Job) shard.Caps {
	c := caps(job)
	c.FileBytes = job.Layout.MaxBinaryFileSize
	return c
}

// contentSpool is the part of limits.spool that staged contents may take.
func contentSpool(job *jobfile.Job) int64 {
	if job.Source.BinaryRows != jobfile.BinariesFetch {
		return 0
	}
	return job.Limits.Spool / 2
}
