package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/time/rate"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/survey"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/sinks/bucket"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
	"github.com/fhirhose/fhirhose/sources/fhirworks/folders"
	"github.com/fhirhose/fhirhose/sources/staging"
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
	w := wiring{job: job, seen: seen, bandwidth: objectstore.NewBandwidth(job.Limits.Bandwidth)}
	source, err := w.openSource(ctx)
	if err != nil {
		return nil, err
	}
	if left := unnamed(ctx, source); left != "" {
		log.Warn(left)
	}
	sink, err := w.openSink(ctx, running)
	if err != nil {
		return nil, err
	}
	contents, err := w.openContents(ctx)
	if err != nil {
		sink.close()
		return nil, err
	}
	options := recordOptions(job)
	options.OnCut = seen.write
	if contents != nil {
		options.Contents = contents
	}
	store, err := checkpoint.Open(filepath.Join(job.State, checkpointFile), checkpoint.NewIdentity(options.Shape(), source.Objects()))
	if err != nil {
		sink.close()
		return nil, err
	}
	closeAll := func() error {
		sink.close()
		if contents == nil {
			return store.Close()
		}
		return errors.Join(contents.Close(), store.Close())
	}
	options.Claim = store.Claim()
	m, err := records.New(options, source, sink.of, store, log)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	return &opened{mover: m, close: closeAll}, nil
}

func recordOptions(job *jobfile.Job) records.Options {
	prefix := job.Name + "/"
	if job.Source.Tenant != "" && !job.AllTenants() {
		prefix = job.Source.Tenant + "/" + prefix
	}
	o := records.Options{
		Job:     job.Name,
		Convert: convertOptions(job),
		Caps:    caps(job),
		Lanes:   job.Layout.Lanes,
		State:   job.State,
		Prefix:  prefix,
		Memory:  job.Limits.Memory,
		Beside:  int64(hotParts(job)) * bucket.PartBytes,
		Workers: job.Limits.Workers,
		Spool:   job.Limits.Spool - contentSpool(job),

		BinariesUnset: job.Source.BinaryRows == jobfile.BinariesUnset,
	}
	if job.Source.BinaryRows == jobfile.BinariesFetch {
		second := binaryOptions(job)
		o.Binaries, o.Convert.BinaryField = &second, second.Field
	}
	return o
}

func caps(job *jobfile.Job) shard.Caps {
	return shard.Caps{FileBytes: job.Layout.MaxFileSize, FolderBytes: job.Layout.MaxFolderSize, FolderFiles: job.Layout.MaxFolderFiles}
}

func convertOptions(job *jobfile.Job) convert.Options {
	return convert.Options{
		Tenant: job.Source.Tenant, Types: job.Source.Types, Deleted: job.Source.Deleted,
		Since: bound(job.Source.Since), Until: bound(job.Source.Until), MaxLine: caps(job).MaxLine(),
		Resources: !job.Source.Folders.IsZero(),
	}
}

// bound writes a moment in one way only: it is part of the job's fingerprint.
func bound(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// jobSource is what check asks of a source beyond the pipeline's questions.
type jobSource interface {
	pipeline.Source
	Folder() string
	Peek(ctx context.Context, i int, limit int64) ([]byte, error)
}

// wiring opens what a job stands on.
type wiring struct {
	job       *jobfile.Job
	seen      *observation
	bandwidth *rate.Limiter // shared by source and sink
	patience  time.Duration // to wait for fresh credentials; 0: as long as a move waits
	heads     *survey.Heads // notes what is looked at in the source's bucket; nil: nothing
	attempts  int           // of each call of S3; 0: as many as a move makes
}

func (w *wiring) openSource(ctx context.Context) (jobSource, error) {
	if err := w.job.Sourced(); err != nil {
		return nil, err
	}
	from := w.job.Source
	var bucket staging.Bucket
	if from.Location().IsS3() {
		store, err := w.openSourceStore(ctx)
		if err != nil {
			return nil, err
		}
		bucket = store
		if w.heads != nil {
			w.heads.Store, bucket = store, w.heads
		}
	}
	if !from.Folders.IsZero() {
		source, err := folders.Open(ctx, folders.Options{
			Location: from.Folders.String(), Bucket: bucket, Tenant: from.Tenant, StateDir: w.job.State, Staged: w.seen.onStaged,
		})
		if err != nil {
			return nil, err // a nil *Source in the interface would not be nil
		}
		return source, nil
	}
	source, err := dynamoexport.Open(ctx, dynamoexport.Options{
		Location: from.Export.String(), Bucket: bucket, StateDir: w.job.State, Staged: w.seen.onStaged,
	})
	if err != nil {
		return nil, err
	}
	return source, nil
}

// unnamed tells what lies beside folders of the FHIR Works tool and is not moved,
// because migration_output.json does not name it; "" if there is nothing to tell.
func unnamed(ctx context.Context, source jobSource) string {
	from, ok := source.(*folders.Source)
	if !ok {
		return ""
	}
	left, err := from.Unnamed(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("what migration_output.json does not name cannot be seen: %v", err)
	case left.Files == 0:
		return ""
	}
	return fmt.Sprintf("beside the folders lies what migration_output.json does not name and is not moved: %s, %s; the first is %s",
		human.Plural(left.Files, "file"), human.Bytes(left.Bytes), left.First)
}

func (w *wiring) openSourceStore(ctx context.Context) (*objectstore.Store, error) {
	from := w.job.Source
	return w.openStore(ctx, from.Location(), objectstore.Options{
		Region: from.Region, PathStyle: from.S3.PathStyle, ExpectedBucketOwner: from.Owner,
	})
}

func (w *wiring) openStore(ctx context.Context, at jobfile.Location, options objectstore.Options) (*objectstore.Store, error) {
	options.Bandwidth, options.CredentialPatience, options.Attempts = w.bandwidth, w.patience, w.attempts
	return objectstore.Open(ctx, objectstore.Location{Bucket: at.Bucket, Prefix: at.Prefix}, options, w.seen.onRetry)
}
