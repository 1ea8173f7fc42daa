package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/time/rate"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/sinks/folder"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
)

// checkpointFile is the checkpoint's name in the state directory.
const checkpointFile = "checkpoint.db"

// openMover wires a job: its source, sink, checkpoint and record pipeline. It
// does not write to the sink.
func openMover(ctx context.Context, job *jobfile.Job, seen *observation, log *slog.Logger) (*opened, error) {
	bandwidth := objectstore.NewBandwidth(job.Limits.Bandwidth)
	source, err := openSource(ctx, job, bandwidth, seen)
	if err != nil {
		return nil, err
	}
	sink, err := openSink(ctx, job, bandwidth, seen)
	if err != nil {
		return nil, err
	}
	options := recordOptions(job)
	options.OnCut = seen.write
	store, err := checkpoint.Open(filepath.Join(job.State, checkpointFile), checkpoint.NewIdentity(options.Shape(), source.Objects()))
	if err != nil {
		return nil, err
	}
	options.Claim = store.Claim()
	m, err := records.New(options, source, sink, store, log)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &opened{mover: m, close: store.Close}, nil
}

func recordOptions(job *jobfile.Job) records.Options {
	prefix := job.Name + "/"
	if job.Source.Tenant != "" {
		prefix = job.Source.Tenant + "/" + prefix
	}
	return records.Options{
		Job:     job.Name,
		Convert: convertOptions(job),
		Caps:    shard.Caps{FileBytes: job.Layout.MaxFileSize, FolderBytes: job.Layout.MaxFolderSize, FolderFiles: job.Layout.MaxFolderFiles},
		Lanes:   job.Layout.Lanes,
		State:   job.State,
		Prefix:  prefix,
		Memory:  job.Limits.Memory,
		Workers: job.Limits.Workers,
		Spool:   job.Limits.Spool,
	}
}

func convertOptions(job *jobfile.Job) convert.Options {
	return convert.Options{
		Tenant: job.Source.Tenant, Types: job.Source.Types, Deleted: job.Source.Deleted,
		Since: bound(job.Source.Since), Until: bound(job.Source.Until),
	}
}

// bound writes a moment in one way only: it is part of the job's fingerprint.
func bound(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// exportSource is what check asks of a source beyond the pipeline's questions.
type exportSource interface {
	pipeline.Source
	Folder() string
	Peek(ctx context.Context, i int, limit int64) ([]byte, error)
}

func openSource(ctx context.Context, job *jobfile.Job, bandwidth *rate.Limiter, seen *observation) (exportSource, error) {
	options := dynamoexport.Options{Location: job.Source.Export.String(), StateDir: job.State, Staged: seen.onStaged}
	if at := job.Source.Export; at.IsS3() {
		store, err := objectstore.Open(ctx, objectstore.Location{Bucket: at.Bucket, Prefix: at.Prefix}, objectstore.Options{
			Region: job.Source.Region, PathStyle: job.Source.S3.PathStyle,
			ExpectedBucketOwner: job.Source.Owner, Bandwidth: bandwidth,
		}, seen.onRetry)
		if err != nil {
			return nil, err
		}
		options.Bucket = store
	}
	return dynamoexport.Open(ctx, options)
}

func openSink(_ context.Context, job *jobfile.Job, _ *rate.Limiter, _ *observation) (pipeline.Sink, error) {
	if job.Output().IsS3() {
		return nil, &pipeline.Error{Op: "open sink", Object: job.Output().String(), Kind: pipeline.KindConfig,
			Err: errors.New("S3 sinks are not wired yet"), Hint: "name a directory in sink.location"}
	}
	return folder.Open(folder.Options{Dir: job.Output().Dir})
}
