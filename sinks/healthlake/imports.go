package healthlake

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
)

// Imports is a store as the target of the folders of one job.
type Imports struct {
	store   *Store
	folders objectstore.Location // of the job
	results *objectstore.Store   // the bucket of Options.Output
}

var _ importing.Target = (*Imports)(nil)

// Imports returns the store as a target of the folders below a location. What an
// import says of single resources is read from results, the bucket of
// Options.Output.
func (s *Store) Imports(folders objectstore.Location, results *objectstore.Store) *Imports {
	return &Imports{store: s, folders: folders, results: results}
}

// Start implements [importing.Target].
func (i *Imports) Start(ctx context.Context, folder, token, name string) (string, error) {
	return i.store.StartImport(ctx, i.folders.Join(folder).String(), token, name)
}

// Find implements [importing.Target].
func (i *Imports) Find(ctx context.Context, name string) (importing.Job, bool, error) {
	job, found, err := i.store.FindImport(ctx, name)
	return told(job), found, err
}

// Unfinished implements [importing.Target].
func (i *Imports) Unfinished(ctx context.Context) (jobs []importing.Job, err error) {
	unfinished, err := i.store.Unfinished(ctx)
	for _, job := range unfinished {
		jobs = append(jobs, told(job))
	}
	return jobs, err
}

// Describe implements [importing.Target]. The numbers of a job that has come to
// its end are those of its manifest, where there is one: only the manifest counts
// resources that failed by the service's own fault.
func (i *Imports) Describe(ctx context.Context, id string) (importing.Job, error) {
	job, err := i.store.DescribeImport(ctx, id)
	if err != nil {
		return importing.Job{}, err
	}
	it := told(job)
	if it.State != importing.Completed {
		return it, nil
	}
	m, found, err := i.manifest(ctx, job)
	if found {
		it.Scanned, it.Imported, it.Failed = m.Scanned, m.Imported, m.Refused+m.Broken
	}
	return it, err
}

// told is a job in the words of package importing.
func told(j Job) importing.Job {
	it := importing.Job{
		ID: j.ID, Name: j.Name, Status: "unknown",
		Scanned: j.Progress.Scanned, Imported: j.Progress.Imported, Failed: j.Progress.Failed,
		Ended: j.Ended,
	}
	if j.Known() {
		it.Status = string(j.Status)
	}
	switch j.Status {
	case types.JobStatusSubmitted, types.JobStatusQueued:
		it.State = importing.Waiting
	case types.JobStatusInProgress, types.JobStatusCancelSubmitted, types.JobStatusCancelInProgress:
		it.State = importing.Running
	case types.JobStatusCompleted, types.JobStatusCompletedWithErrors:
		it.State = importing.Completed
	case types.JobStatusFailed:
		it.State = importing.Failed
	case types.JobStatusCancelCompleted, types.JobStatusCancelFailed:
		it.State = importing.Cancelled
	}
	return it
}

// manifest is what matters of the object that an import leaves in its output.
type manifest struct {
	Scanned  int64 `json:"numberOfResourcesScanned"`
	Imported int64 `json:"numberOfResourcesImportedSuccessfully"`
	Refused  int64 `json:"numberOfResourcesWithCustomerError"`
	Broken   int64 `json:"numberOfResourcesWithServerError"`
}

// The documentation spells it small; the service was seen to spell it large.
var manifestNames = []string{"Manifest.json", "manifest.json"}

const mostManifest = 1 << 20 // bytes

func (i *Imports) manifest(ctx context.Context, job Job) (m manifest, found bool, err error) {
	at, err := i.output(job)
	if err != nil {
		return m, false, err
	}
	for _, name := range manifestNames {
		content, err := i.results.Get(ctx, at.Key(name), mostManifest)
		if errors.Is(err, objectstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return m, false, err
		}
		if err := json.Unmarshal(content, &m); err != nil {
			return m, false, i.unreadable(at.Key(name))
		}
		return m, true, nil
	}
	return m, false, nil
}

// output is the job's own folder.
func (i *Imports) output(job Job) (objectstore.Location, error) {
	at, err := objectstore.Parse(job.Output)
	if err != nil || at.Bucket != i.results.Location().Bucket {
		return at, &pipeline.Error{
			Op: "find the results of import", Object: job.ID, Kind: pipeline.KindConfig,
			Err: errors.New("they are not in the bucket of target.healthlake.output"), Hint: "set output as it was when the import began",
		}
	}
	return at, nil
}

func (i *Imports) unreadable(key string) error {
	return &pipeline.Error{
		Op: "read", Object: key, Kind: pipeline.KindFatal,
		Err: errors.New("it is not what HealthLake writes"), Hint: "look at that object, and at the job in HealthLake's console",
	}
}

// failures is the folder of the job's output with a file for each input file of
// which something failed. It is absent where nothing did.
const failures = "FAILURE/"

// Failures implements [importing.Target].
func (i *Imports) Failures(ctx context.Context, id string, f func(importing.Failure) error) error {
	job, err := i.store.DescribeImport(ctx, id)
	if err != nil {
		return err
	}
	at, err := i.output(job)
	if err != nil {
		return err
	}
	var files []objectstore.Listed
	err = i.results.ListObjects(ctx, at.Key(failures), func(o objectstore.Listed) error {
		files = append(files, o)
		return nil
	})
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := i.failuresIn(ctx, file, f); err != nil {
			return err
		}
	}
	return nil
}

// longestFailure bounds a line of the service's: it may repeat a resource.
const longestFailure = 2 * pipeline.MaxRecordBytes

func (i *Imports) failuresIn(ctx context.Context, o objectstore.Listed, f func(importing.Failure) error) (err error) {
	if o.Size == 0 {
		return nil
	}
	body, err := i.results.OpenRange(ctx, o.Key, objectstore.Pin{ETag: o.ETag, Size: o.Size}, 0, o.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, longestFailure)
	for lines.Scan() {
		raw := bytes.TrimSpace(lines.Bytes())
		if len(raw) == 0 {
			continue
		}
		if err := f(failureOf(fileOf(o.Key), raw)); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return i.unreadable(path.Base(o.Key))
	}
	return lines.Err()
}

// fileOf is the input file's name below the job's folder: the last two pieces of
// the key, whether the service repeats the whole key or only its end.
func fileOf(key string) string {
	return path.Join(path.Base(path.Dir(key)), path.Base(key))
}

// failureOf reads one line. One that cannot be read is a failure all the same.
func failureOf(file string, raw []byte) importing.Failure {
	var it struct {
		LineID    int64
		Exception json.RawMessage
		Response  struct {
			JSONBlob struct {
				Issue []struct{ Code string }
			}
			StatusCode int
		} `json:"UpdateResourceResponse"`
	}
	failure := importing.Failure{File: file, Code: "unreadable", Raw: raw}
	if json.Unmarshal(raw, &it) != nil {
		return failure
	}
	failure.Line, failure.Code = it.LineID, "unknown"
	switch issues := it.Response.JSONBlob.Issue; {
	case len(issues) > 0 && slices.Contains(issueTypes, issues[0].Code):
		failure.Code = issues[0].Code
	case it.Response.StatusCode >= 100 && it.Response.StatusCode < 600:
		failure.Code = fmt.Sprintf("status-%d", it.Response.StatusCode)
	case len(it.Exception) > 0:
		failure.Code = "exception"
	}
	return failure
}

// issueTypes are the codes of OperationOutcome.issue.code (FHIR R4, IssueType).
// Other words of the service are in no log (I10).
var issueTypes = strings.Fields(`invalid structure required value invariant security login unknown expired forbidden
	suppressed processing not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension
	too-costly business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational`)
