package healthlaketest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	store  = healthlaketest.DatastoreID
	role   = "arn:aws:iam::123456789012:role/import"
	key    = "arn:aws:kms:us-east-1:123456789012:key/k"
	output = "s3://bucket/out"
)

// rig is a simulation over a bucket in memory, and the service's own SDK client.
type rig struct {
	*testing.T
	simulation *healthlaketest.Simulation
	bucket     *objecttest.Memory
	server     *httptest.Server
	client     *healthlake.Client
	http       *http.Client
	dir        string // takes the bucket's place, where there is no server
}

func newRig(t *testing.T, o healthlaketest.Options) *rig {
	t.Helper()
	r := &rig{T: t, bucket: objecttest.NewMemory()}
	buckets := httptest.NewServer(r.bucket)
	o.S3 = healthlaketest.FromClient(s3.New(s3.Options{
		BaseEndpoint: &buckets.URL, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), HTTPClient: buckets.Client(),
	}))
	r.simulation = healthlaketest.New(o)
	r.server = httptest.NewServer(r.simulation)
	r.http = r.server.Client()
	r.client = newClient(r.server.URL, r.http, healthlaketest.SecretKey)
	t.Cleanup(func() {
		r.server.Close()
		r.simulation.Close()
		buckets.Close()
	})
	return r
}

// newClient tries nothing twice.
func newClient(url string, transport aws.HTTPClient, secret string, change ...func(*healthlake.Options)) *healthlake.Client {
	return healthlake.New(healthlake.Options{
		BaseEndpoint: &url, Region: "us-east-1", HTTPClient: readOnly(transport), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(healthlaketest.AccessKey, secret, ""),
	}, change...)
}

// readOnly hides that a request's body has a WriteTo. The SDK closes the body as soon
// as an answer has begun, and its WriteTo then says io.EOF to net/http, which takes it
// for a failed request and closes the connection under an answer that is still being
// read. A server as near as this one is quick enough for that.
func readOnly(client aws.HTTPClient) aws.HTTPClient {
	return doer(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			r.Body = struct{ io.ReadCloser }{r.Body}
		}
		return client.Do(r)
	})
}

// request is a start of an import of a folder of the bucket, such as in/v1-0/.
func request(folder string) *healthlake.StartFHIRImportJobInput {
	name := strings.Trim(strings.NewReplacer("/", "-", ".", "-").Replace(folder), "-")
	return &healthlake.StartFHIRImportJobInput{
		DatastoreId: aws.String(store), DataAccessRoleArn: aws.String(role),
		JobName: &name, ClientToken: aws.String(name),
		InputDataConfig:     &types.InputDataConfigMemberS3Uri{Value: "s3://bucket/" + folder},
		JobOutputDataConfig: outputConfig(output, key),
	}
}

func outputConfig(uri, kms string) types.OutputDataConfig {
	return &types.OutputDataConfigMemberS3Configuration{Value: types.S3Configuration{S3Uri: &uri, KmsKeyId: &kms}}
}

func (r *rig) start(in *healthlake.StartFHIRImportJobInput) string {
	r.Helper()
	out, err := r.client.StartFHIRImportJob(r.Context(), in)
	r.check(err)
	return *out.JobId
}

func (r *rig) describe(id string) *types.ImportJobProperties {
	r.Helper()
	out, err := r.client.DescribeFHIRImportJob(r.Context(), &healthlake.DescribeFHIRImportJobInput{DatastoreId: aws.String(store), JobId: &id})
	r.check(err)
	return out.ImportJobProperties
}

// await polls until a job is over.
func (r *rig) await(id string) *types.ImportJobProperties {
	r.Helper()
	for {
		if p := r.describe(id); p.EndTime != nil {
			return p
		}
		r.rest()
	}
}

// rest lets the simulation work.
func (r *rig) rest() {
	select {
	case <-time.After(time.Millisecond):
	case <-r.Context().Done():
		r.Fatal(context.Cause(r.Context()))
	}
}

// run imports a folder.
func (r *rig) run(in *healthlake.StartFHIRImportJobInput) *types.ImportJobProperties {
	r.Helper()
	return r.await(r.start(in))
}

// put writes a file of resources, of which each is Type/id and a value.
func (r *rig) put(file string, lines ...string) {
	content := []byte(strings.Join(lines, "\n") + "\n")
	if r.bucket != nil {
		r.bucket.Put(file, content)
		return
	}
	r.check(healthlaketest.Directory(r.dir).Put(r.Context(), "bucket", file, content))
}

// patient is a resource as fhirhose writes it.
func patient(id, value string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"meta":{"versionId":"7","lastUpdated":"2020-01-01T00:00:00.000Z",`+
		`"tag":[{"display":"2020-01-01T00:00:00.000Z","code":"originalLastUpdated"}]},"value":%s}`, id, value)
}

// outputs returns the objects in the output of a job, by their names in it.
func (r *rig) outputs(config types.OutputDataConfig) map[string]string {
	r.Helper()
	uri := *config.(*types.OutputDataConfigMemberS3Configuration).Value.S3Uri
	all := map[string]string{}
	for key, content := range r.bucket.Objects() {
		if name, ok := strings.CutPrefix("s3://bucket/"+key, uri); ok {
			all[name] = string(content)
		}
	}
	return all
}

func names(objects map[string]string) []string {
	var all []string
	for name := range objects {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (r *rig) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

// code is the code of an error of the service.
func code(err error) string {
	if failure, ok := errors.AsType[smithy.APIError](err); ok {
		return failure.ErrorCode()
	}
	return fmt.Sprint(err)
}

// clock stands still but for its steps.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now().Truncate(time.Second)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
