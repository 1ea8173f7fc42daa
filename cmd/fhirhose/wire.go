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
	"github.com/fhirhose/fhirhose/sinks/bucket"
	"github.com/fhirhose/fhirhose/sinks/folder"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
)

// Names in the state directory.
const (
	checkpointFile = "checkpoint.db"
	tailsFolder    = "tails" // of a bucket sink
)

// openMover wires a job: its source, sink, checkpoint and record pipeline. It
// does not write to the sink. ctx bounds the opening, running the transfers of
// the sink until the job is closed.
func openMover(ctx, running context.Context, job *jobfile.Job, seen *observation, log *slog.Logger) (*opened, error) {
	bandwidth := objectstore.NewBandwidth(job.Limits.Bandwidth)
	source, err := openSource(ctx, job, bandwidth, seen)
	if err != nil {
		return nil, err
	}
	sink, closeSink, err := openSink(ctx, running, job, bandwidth, seen)
	if err != nil {
		return nil, err
	}
	options := recordOptions(job)
	options.OnCut = seen.write
	store, err := checkpoint.Open(filepath.Join(job.State, checkpointFile), checkpoint.NewIdentity(options.Shape(), source.Objects()))
	if err != nil {
		closeSink()
		return nil, err
	}
	closeAll := func() error { closeSink(); return store.Close() }
	options.Claim = store.Claim()
	m, err := records.New(options, source, sink, store, log)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	return &opened{mover: m, close: closeAll}, nil
}

func recordOptions(job *jobfile.Job) records.Options {
	prefix := job.Name + "/"
	if job.Source.Tenant != "" {
		prefix = job.Source.Tenant + "/" + prefix
	}
	return records.Options{
		Job:     job.Name,
		Convert: convertOptions(job),
		Caps:    caps(job),
		Lanes:   job.Layout.Lanes,
		State:   job.State,
		Prefix:  prefix,
		Memory:  job.Limits.Memory,
		Workers: job.Limits.Workers,
		Spool:   job.Limits.Spool,
	}
}

func caps(job *jobfile.Job) shard.Caps {
	return shard.Caps{FileBytes: job.Layout.MaxFileSize, FolderBytes: job.Layout.MaxFolderSize, FolderFiles: job.Layout.MaxFolderFiles}
}

func convertOptions(job *jobfile.Job) convert.Options {
	return convert.Options{
		Tenant: job.Source.Tenant, Types: job.Source.Types, Deleted: job.Source.Deleted,
		Since: bound(job.Source.Since), Until: bound(job.Source.Until), MaxLine: caps(job).MaxLine(),
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
		store, err := openStore(ctx, at, objectstore.Options{
			Region: job.Source.Region, PathStyle: job.Source.S3.PathStyle,
			ExpectedBucketOwner: job.Source.Owner, Bandwidth: bandwidth,
		}, seen)
		if err != nil {
			return nil, err
		}
		options.Bucket = store
	}
	return dynamoexport.Open(ctx, options)
}

// openSink also returns the function that ends the sink's transfers.
func openSink(ctx, running context.Context, job *jobfile.Job, bandwidth *rate.Limiter, seen *observation) (pipeline.Sink, func(), error) {
	at := job.Output()
	if !at.IsS3() {
		sink, err := folder.Open(folder.Options{Dir: at.Dir})
		return sink, func() {}, err
	}
	store, err := openStore(ctx, at, objectstore.Options{
		Region: job.Sink.Region, PathStyle: job.Sink.S3.PathStyle, RequestChecksums: job.Sink.S3.RequestChecksums,
		ExpectedBucketOwner: job.Sink.Owner, Bandwidth: bandwidth,
	}, seen)
	if err != nil {
		return nil, nil, err
	}
	running, cancel := context.WithCancel(running)
	sink, err := bucket.Open(running, bucket.Options{
		Store: store, Tails: filepath.Join(job.State, tailsFolder),
		KMSKey: job.Sink.KMSKey, Unconditional: !job.Sink.S3.ConditionalWrites,
	})
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return sink, func() { cancel(); sink.Close(); store.Close() }, nil
}

func openStore(ctx context.Context, at jobfile.Location, options objectstore.Options, seen *observation) (*objectstore.Store, error) {
	return objectstore.Open(ctx, objectstore.Location{Bucket: at.Bucket, Prefix: at.Prefix}, options, seen.onRetry)
}
