package healthlake

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/exporting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// Exports is a store as a target that exports all it holds to Options.Output.
type Exports struct{ store *Store }

var _ exporting.Target = (*Exports)(nil)

// Exports returns the store as a target of exports.
func (s *Store) Exports() *Exports { return &Exports{s} }

// StartExport implements [exporting.Target].
func (e *Exports) StartExport(ctx context.Context, token, name string) (string, error) {
	return e.store.StartExport(ctx, token, name)
}

// FindExport implements [exporting.Target].
func (e *Exports) FindExport(ctx context.Context, name string) (exporting.Job, bool, error) {
	job, found, err := e.store.FindExport(ctx, name)
	return toldOfExport(job), found, err
}

// DescribeExport implements [exporting.Target].
func (e *Exports) DescribeExport(ctx context.Context, id string) (exporting.Job, error) {
	job, err := e.store.DescribeExport(ctx, id)
	return toldOfExport(job), err
}

// toldOfExport is a job in the words of package exporting. What has ended with
// errors lacks resources, and proves of none that it is not there.
func toldOfExport(j Job) exporting.Job {
	it := told(j)
	if j.Status == types.JobStatusCompletedWithErrors {
		it.State = importing.Failed
	}
	return exporting.Job{ID: it.ID, State: it.State, Status: it.Status, Output: j.Output}
}

// Exported is what an export has left: every object below its folder whose name
// ends in .ndjson, in the order of keys.
type Exported struct {
	bucket *objectstore.Store
	at     objectstore.Location
}

var _ verify.Export = (*Exported)(nil)

// OpenExport returns what a job has exported to a folder of the bucket.
func OpenExport(job exporting.Job, bucket *objectstore.Store) (*Exported, error) {
	at, err := objectstore.Parse(job.Output)
	if err != nil || at.Bucket != bucket.Location().Bucket || at.Prefix == "" {
		return nil, &pipeline.Error{
			Op: "find the results of export", Object: job.ID, Kind: pipeline.KindConfig,
			Err: errors.New("they are not in the bucket of verify.export_to"), Hint: "set verify.export_to as it was when the export began, or: fhirhose verify --again",
		}
	}
	return &Exported{bucket, at}, nil
}

const lineEnding = ".ndjson"

// errStopped ends a listing of which the rest is not wanted.
var errStopped = errors.New("stopped")

// Objects implements [verify.Export]. Names are those below the job's folder.
func (e *Exported) Objects(ctx context.Context) iter.Seq2[verify.Object, error] {
	return func(yield func(verify.Object, error) bool) {
		err := e.bucket.ListObjects(ctx, e.at.Key(""), func(o objectstore.Listed) error {
			if strings.HasSuffix(o.Key, lineEnding) && !yield(verify.Object{Name: strings.TrimPrefix(o.Key, e.at.Key("")), Size: o.Size, Tag: o.ETag}, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(verify.Object{}, err)
		}
	}
}

// Open implements [verify.Export]: of the very object that was listed.
func (e *Exported) Open(ctx context.Context, o verify.Object, offset int64) (io.ReadCloser, error) {
	return e.bucket.OpenRange(ctx, e.at.Key(o.Name), objectstore.Pin{ETag: o.Tag, Size: o.Size}, offset, o.Size-offset)
}
