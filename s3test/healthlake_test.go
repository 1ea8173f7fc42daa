package s3test_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// TestSimulatedHealthLake: the simulation of HealthLake reads and writes a real
// S3: more than a page of files in, an export out.
func TestSimulatedHealthLake(t *testing.T) {
	const files = 1001
	server := s3test.Start(t)
	server.MakeBucket(t, bucketName)
	for n := range files {
		server.Put(t, bucketName, fmt.Sprintf("in/v1-0/Patient-v1-%05d.ndjson", n),
			fmt.Appendf(nil, `{"resourceType":"Patient","id":"p%d","value":1.50}`+"\n", n))
	}
	simulation := healthlaketest.New(healthlaketest.Options{S3: healthlaketest.FromClient(server.Client)})
	defer simulation.Close()
	client := healthlake.New(healthlake.Options{
		BaseEndpoint: aws.String("http://healthlake.example"), Region: "us-east-1", HTTPClient: &http.Client{Transport: simulation.Transport()},
		Credentials: credentials.NewStaticCredentialsProvider(healthlaketest.AccessKey, healthlaketest.SecretKey, ""),
	})
	store, role := aws.String(healthlaketest.DatastoreID), aws.String("arn:aws:iam::123456789012:role/r")
	output := &types.OutputDataConfigMemberS3Configuration{Value: types.S3Configuration{
		S3Uri: aws.String("s3://" + bucketName + "/out"), KmsKeyId: aws.String("key"),
	}}

	started, err := client.StartFHIRImportJob(t.Context(), &healthlake.StartFHIRImportJobInput{
		DatastoreId: store, DataAccessRoleArn: role, JobOutputDataConfig: output,
		InputDataConfig: &types.InputDataConfigMemberS3Uri{Value: "s3://" + bucketName + "/in/v1-0/"},
	})
	check(t, err)
	imported := until(t, func() (*types.ImportJobProperties, bool) {
		out, err := client.DescribeFHIRImportJob(t.Context(), &healthlake.DescribeFHIRImportJobInput{DatastoreId: store, JobId: started.JobId})
		check(t, err)
		return out.ImportJobProperties, out.ImportJobProperties.EndTime != nil
	})
	if n := *imported.JobProgressReport.TotalNumberOfResourcesImported; imported.JobStatus != types.JobStatusCompleted || n != files {
		t.Fatalf("%s, %d resources", imported.JobStatus, n)
	}

	begun, err := client.StartFHIRExportJob(t.Context(), &healthlake.StartFHIRExportJobInput{
		DatastoreId: store, DataAccessRoleArn: role, OutputDataConfig: output,
	})
	check(t, err)
	exported := until(t, func() (*types.ExportJobProperties, bool) {
		out, err := client.DescribeFHIRExportJob(t.Context(), &healthlake.DescribeFHIRExportJobInput{DatastoreId: store, JobId: begun.JobId})
		check(t, err)
		return out.ExportJobProperties, out.ExportJobProperties.EndTime != nil
	})
	if exported.JobStatus != types.JobStatusCompleted {
		t.Fatal(exported.JobStatus, aws.ToString(exported.Message))
	}
	var lines []string
	for key, object := range server.Objects(t, bucketName, "out/"+healthlaketest.DatastoreID+"-FHIR_EXPORT-") {
		if strings.HasSuffix(key, ".ndjson") {
			lines = append(lines, strings.Split(strings.TrimSuffix(string(object.Content), "\n"), "\n")...)
		}
	}
	slices.Sort(lines)
	var want []string
	for _, body := range simulation.Current(healthlaketest.DatastoreID) {
		want = append(want, string(body))
	}
	slices.Sort(want)
	if len(want) != files || !slices.Equal(lines, want) {
		t.Errorf("exported %d lines, want %d", len(lines), len(want))
	}
}

// until asks until the answer is the last.
func until[T any](t *testing.T, ask func() (T, bool)) T {
	t.Helper()
	for {
		answer, last := ask()
		if last {
			return answer
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}
