package main

import (
	"context"
	"encoding/hex"
	"path/filepath"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/bucket"
	"github.com/fhirhose/fhirhose/sinks/folder"
)

// openedSink is the sink of one folder and what it stands on.
type openedSink struct {
	pipeline.Sink
	bucket *objectstore.Store // nil on a disk
}

// openedSinks are the sinks of a job: its own, and one for each tenant in a job of
// all tenants. They share connections and the bound of transfers.
type openedSinks struct {
	openedSink
	tenant func(tenant string) (*openedSink, error)
	close  func() // ends the transfers of all
}

// of opens the sink of a tenant, "" being the job's own, for one pipeline: a sink
// belongs to the cuts of a single one, which tell it what no checkpoint needs.
func (s *openedSinks) of(tenant string) (pipeline.Sink, error) {
	opened, err := s.tenant(tenant)
	if err != nil {
		return nil, err
	}
	return opened.Sink, nil
}

func (w *wiring) openSink(ctx, running context.Context) (*openedSinks, error) {
	if w.job.Output().IsS3() {
		return w.openBucket(ctx, running)
	}
	open := func(at jobfile.Location) (*openedSink, error) {
		sink, err := folder.Open(folder.Options{Dir: at.Dir})
		return &openedSink{sink, nil}, err
	}
	own, err := open(w.job.Output())
	return &openedSinks{
		*own, func(tenant string) (*openedSink, error) { return open(w.outputOf(tenant)) }, func() {},
	}, err
}

func (w *wiring) openBucket(ctx, running context.Context) (*openedSinks, error) {
	to := w.job.Sink
	store, err := w.openSinkStore(ctx)
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(running)
	sink, err := bucket.Open(running, bucket.Options{
		Store: store, Tails: w.tails(""),
		KMSKey: to.KMSKey, Unconditional: !to.S3.ConditionalWrites, Hot: hotParts(w.job),
	})
	if err != nil {
		cancel()
		return nil, err
	}
	beside := func(tenant string) (*openedSink, error) {
		at := w.outputOf(tenant)
		of, err := sink.Beside(at.Prefix, w.tails(tenant))
		return &openedSink{of, store.Beside(at.Prefix)}, err
	}
	return &openedSinks{openedSink{sink, store}, beside, func() { cancel(); sink.Close(); store.Close() }}, nil
}

// hotParts is how many parts of files on their way to a bucket may be in memory: an
// eighth of limits.memory, and none where that is scarce.
func hotParts(job *jobfile.Job) int {
	const most, scarce = 8, 256 << 20
	if !job.Output().IsS3() || job.Limits.Memory < scarce {
		return 0
	}
	return int(min(most, job.Limits.Memory/8/bucket.PartBytes))
}

// openSinkStore opens the job's folder in the bucket of its sink.
func (w *wiring) openSinkStore(ctx context.Context) (*objectstore.Store, error) {
	to := w.job.Sink
	return w.openStore(ctx, w.job.Output(), objectstore.Options{
		Region: to.Region, PathStyle: to.S3.PathStyle, RequestChecksums: to.S3.RequestChecksums, ExpectedBucketOwner: to.Owner,
	})
}

// outputOf is the folder of a tenant, or the job's own.
func (w *wiring) outputOf(tenant string) jobfile.Location {
	if tenant == "" {
		return w.job.Output()
	}
	return w.job.OutputOf(tenant)
}

// tails is the directory of a tenant's tails. The tenant is written in
// hexadecimal: the file system may not tell a from A.
func (w *wiring) tails(tenant string) string {
	all := filepath.Join(w.job.State, tailsFolder)
	switch {
	case !w.job.AllTenants():
		return all
	case tenant == "":
		return filepath.Join(all, "own")
	default:
		return filepath.Join(all, hex.EncodeToString([]byte(tenant)))
	}
}
