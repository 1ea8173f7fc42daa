package healthlake

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Job is an import or an export, as HealthLake tells of it.
type Job struct {
	ID        string
	Name      string
	Status    types.JobStatus
	Submitted time.Time
	Ended     time.Time // zero while HealthLake names no end
	Input     string    // the S3 URI that an import reads; "" of an export
	Output    string    // the S3 URI of the job's own folder, with a slash at its end
	Progress  Progress  // of an import

	// Message says why a job failed, in the words of HealthLake. They may hold
	// values of resources: it must reach no log (I10).
	Message string
}

// Progress is how far an import has come.
type Progress struct {
	Files       int64 // scanned
	FilesFailed int64
	Scanned     int64 // resources
	Imported    int64
	Failed      int64
}

// Over tells whether the job has come to its end, whichever.
func (j Job) Over() bool {
	return slices.Contains([]types.JobStatus{
		types.JobStatusCompleted, types.JobStatusCompletedWithErrors, types.JobStatusFailed,
		types.JobStatusCancelCompleted, types.JobStatusCancelFailed,
	}, j.Status)
}

// Known tells whether fhirhose knows the job's status.
func (j Job) Known() bool { return slices.Contains(j.Status.Values(), j.Status) }

// StartImport starts the import of a folder, an S3 URI, and returns the job's id.
// With the token of a job that was started before, and the same folder and name,
// it returns that job's id. After an error the job may have been started all the
// same: FindImport tells.
func (s *Store) StartImport(ctx context.Context, folder, token, name string) (string, error) {
	in := &sdk.StartFHIRImportJobInput{
		DatastoreId: &s.options.Datastore, DataAccessRoleArn: &s.options.RoleARN, JobName: &name, ClientToken: &token,
		// Without the slash, v1-1 would mean v1-10 as well (WI11).
		InputDataConfig:     &types.InputDataConfigMemberS3Uri{Value: withSlash(folder)},
		JobOutputDataConfig: s.output(),
		ValidationLevel:     types.ValidationLevel(s.options.Validation),
	}
	if token == "" {
		return "", noToken("start import", name)
	}
	out, err := persist(ctx, s, "start import", name, func(ctx context.Context) (*sdk.StartFHIRImportJobOutput, error) {
		out, err := s.client.StartFHIRImportJob(ctx, in)
		return out, starting(err)
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.JobId), nil
}

// StartExport starts an export of the whole store. See StartImport.
func (s *Store) StartExport(ctx context.Context, token, name string) (string, error) {
	in := &sdk.StartFHIRExportJobInput{
		DatastoreId: &s.options.Datastore, DataAccessRoleArn: &s.options.RoleARN, JobName: &name, ClientToken: &token,
		OutputDataConfig: s.output(),
	}
	if token == "" {
		return "", noToken("start export", name)
	}
	out, err := persist(ctx, s, "start export", name, func(ctx context.Context) (*sdk.StartFHIRExportJobOutput, error) {
		out, err := s.client.StartFHIRExportJob(ctx, in)
		return out, starting(err)
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.JobId), nil
}

func starting(err error) error {
	if err == nil {
		return nil
	}
	return &startError{err}
}

// noToken refuses what the SDK would fill with a random token, after which a
// second attempt would be a second job (WI1).
func noToken(op, name string) error {
	return &pipeline.Error{Op: op, Object: name, Err: errors.New("it has no client token")}
}

func (s *Store) output() types.OutputDataConfig {
	return &types.OutputDataConfigMemberS3Configuration{Value: types.S3Configuration{
		S3Uri: &s.options.Output, KmsKeyId: &s.options.KMSKey,
	}}
}

// DescribeImport returns the state of an import.
func (s *Store) DescribeImport(ctx context.Context, id string) (Job, error) {
	in := &sdk.DescribeFHIRImportJobInput{DatastoreId: &s.options.Datastore, JobId: &id}
	out, err := persist(ctx, s, "describe import", id, func(ctx context.Context) (*sdk.DescribeFHIRImportJobOutput, error) {
		return s.client.DescribeFHIRImportJob(ctx, in)
	})
	if err != nil {
		return Job{}, err
	}
	return importJob(out.ImportJobProperties), nil
}

// DescribeExport returns the state of an export.
func (s *Store) DescribeExport(ctx context.Context, id string) (Job, error) {
	in := &sdk.DescribeFHIRExportJobInput{DatastoreId: &s.options.Datastore, JobId: &id}
	out, err := persist(ctx, s, "describe export", id, func(ctx context.Context) (*sdk.DescribeFHIRExportJobOutput, error) {
		return s.client.DescribeFHIRExportJob(ctx, in)
	})
	if err != nil {
		return Job{}, err
	}
	return exportJob(out.ExportJobProperties), nil
}

// FindImport returns the import of a name that was submitted last. A new job may
// be missing for a while: that there is none proves nothing.
func (s *Store) FindImport(ctx context.Context, name string) (Job, bool, error) {
	jobs, err := s.imports(ctx, &name)
	return newest(jobs, name, err)
}

// FindExport is FindImport for exports.
func (s *Store) FindExport(ctx context.Context, name string) (Job, bool, error) {
	jobs, err := s.exports(ctx, &name)
	return newest(jobs, name, err)
}

func newest(jobs []Job, name string, err error) (Job, bool, error) {
	var last Job
	for _, j := range jobs {
		if j.Name == name && (last.ID == "" || j.Submitted.After(last.Submitted)) {
			last = j
		}
	}
	return last, last.ID != "", err
}

// Unfinished returns every import of the store that is not over, whoever
// started it.
func (s *Store) Unfinished(ctx context.Context) ([]Job, error) {
	jobs, err := s.imports(ctx, nil)
	return slices.DeleteFunc(jobs, Job.Over), err
}

// pageSize is how many jobs are asked for at a time; the service allows 500.
const pageSize = 100

func (s *Store) imports(ctx context.Context, name *string) (jobs []Job, err error) {
	in := &sdk.ListFHIRImportJobsInput{DatastoreId: &s.options.Datastore, JobName: name, MaxResults: aws.Int32(pageSize)}
	for {
		out, err := persist(ctx, s, "list imports of", s.options.Datastore, func(ctx context.Context) (*sdk.ListFHIRImportJobsOutput, error) {
			return s.client.ListFHIRImportJobs(ctx, in)
		})
		if err != nil {
			return nil, err
		}
		for i := range out.ImportJobPropertiesList {
			jobs = append(jobs, importJob(&out.ImportJobPropertiesList[i]))
		}
		if aws.ToString(out.NextToken) == "" {
			return jobs, nil
		}
		in.NextToken = out.NextToken
	}
}

func (s *Store) exports(ctx context.Context, name *string) (jobs []Job, err error) {
	in := &sdk.ListFHIRExportJobsInput{DatastoreId: &s.options.Datastore, JobName: name, MaxResults: aws.Int32(pageSize)}
	for {
		out, err := persist(ctx, s, "list exports of", s.options.Datastore, func(ctx context.Context) (*sdk.ListFHIRExportJobsOutput, error) {
			return s.client.ListFHIRExportJobs(ctx, in)
		})
		if err != nil {
			return nil, err
		}
		for i := range out.ExportJobPropertiesList {
			jobs = append(jobs, exportJob(&out.ExportJobPropertiesList[i]))
		}
		if aws.ToString(out.NextToken) == "" {
			return jobs, nil
		}
		in.NextToken = out.NextToken
	}
}

func importJob(p *types.ImportJobProperties) Job {
	j := Job{
		ID: aws.ToString(p.JobId), Name: aws.ToString(p.JobName), Status: p.JobStatus,
		Submitted: aws.ToTime(p.SubmitTime), Ended: aws.ToTime(p.EndTime),
		Output: outputURI(p.JobOutputDataConfig), Message: aws.ToString(p.Message),
	}
	if in, ok := p.InputDataConfig.(*types.InputDataConfigMemberS3Uri); ok {
		j.Input = in.Value
	}
	if report := p.JobProgressReport; report != nil {
		j.Progress = Progress{
			Files:       aws.ToInt64(report.TotalNumberOfScannedFiles),
			FilesFailed: aws.ToInt64(report.TotalNumberOfFilesReadWithCustomerError),
			Scanned:     aws.ToInt64(report.TotalNumberOfResourcesScanned),
			Imported:    aws.ToInt64(report.TotalNumberOfResourcesImported),
			Failed:      aws.ToInt64(report.TotalNumberOfResourcesWithCustomerError),
		}
	}
	return j
}

func exportJob(p *types.ExportJobProperties) Job {
	return Job{
		ID: aws.ToString(p.JobId), Name: aws.ToString(p.JobName), Status: p.JobStatus,
		Submitted: aws.ToTime(p.SubmitTime), Ended: aws.ToTime(p.EndTime),
		Output: outputURI(p.OutputDataConfig), Message: aws.ToString(p.Message),
	}
}

func outputURI(config types.OutputDataConfig) string {
	if out, ok := config.(*types.OutputDataConfigMemberS3Configuration); ok {
		return withSlash(aws.ToString(out.Value.S3Uri))
	}
	return ""
}

func withSlash(uri string) string {
	if uri == "" || strings.HasSuffix(uri, "/") {
		return uri
	}
	return uri + "/"
}
