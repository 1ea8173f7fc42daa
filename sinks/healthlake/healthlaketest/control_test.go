package healthlaketest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

func TestDatastores(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Stores: []healthlaketest.Store{
		{ID: store, Name: "one"},
		{ID: "smart", Bearer: func(string) bool { return true }},
		{ID: "young", Status: "CREATING"},
	}})
	list, err := r.client.ListFHIRDatastores(t.Context(), &healthlake.ListFHIRDatastoresInput{})
	r.check(err)
	equal(t, len(list.DatastorePropertiesList), 3)
	for _, want := range list.DatastorePropertiesList {
		out, err := r.client.DescribeFHIRDatastore(t.Context(), &healthlake.DescribeFHIRDatastoreInput{DatastoreId: want.DatastoreId})
		r.check(err)
		p := out.DatastoreProperties
		equal(t, *p.DatastoreEndpoint, r.server.URL+"/datastore/"+*want.DatastoreId+"/r4/")
		equal(t, p.DatastoreStatus, want.DatastoreStatus)
		smart := p.IdentityProviderConfiguration.AuthorizationStrategy == types.AuthorizationStrategySmartOnFhir
		equal(t, smart, *p.DatastoreId == "smart")
	}
	_, err = r.client.DescribeFHIRDatastore(t.Context(), &healthlake.DescribeFHIRDatastoreInput{DatastoreId: aws.String("none")})
	equal(t, code(err), "ResourceNotFoundException")
	young := request("in/v1-0/")
	young.DatastoreId = aws.String("young")
	_, err = r.client.StartFHIRImportJob(t.Context(), young)
	equal(t, code(err), "ConflictException")
}

func TestStartIsValidated(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	f := func(want string, change func(*healthlake.StartFHIRImportJobInput)) {
		t.Helper()
		in := request("in/v1-0/")
		change(in)
		_, err := r.client.StartFHIRImportJob(t.Context(), in)
		equal(t, code(err), want)
		if !strings.Contains(fmt.Sprint(err), healthlaketest.ServerText) {
			t.Errorf("%v lacks the words of the server", err)
		}
	}
	f("ValidationException", func(in *healthlake.StartFHIRImportJobInput) {
		in.InputDataConfig = &types.InputDataConfigMemberS3Uri{Value: "bucket/in"}
	})
	f("ValidationException", func(in *healthlake.StartFHIRImportJobInput) {
		in.JobOutputDataConfig = outputConfig("s3://bucket/out", "")
	})
	f("ValidationException", func(in *healthlake.StartFHIRImportJobInput) {
		in.JobOutputDataConfig = outputConfig("bucket", key)
	})
	f("ValidationException", func(in *healthlake.StartFHIRImportJobInput) { in.DataAccessRoleArn = aws.String("role") })
	f("ValidationException", func(in *healthlake.StartFHIRImportJobInput) { in.ClientToken = aws.String("a_b") })
	f("ValidationException", func(in *healthlake.StartFHIRImportJobInput) { in.ClientToken = aws.String(strings.Repeat("a", 65)) })
	f("ValidationException", func(in *healthlake.StartFHIRImportJobInput) { in.JobName = aws.String(strings.Repeat("a", 65)) })
	f("ValidationException", func(in *healthlake.StartFHIRImportJobInput) { in.ValidationLevel = "lax" })
	f("ResourceNotFoundException", func(in *healthlake.StartFHIRImportJobInput) { in.DatastoreId = aws.String("none") })
}

func TestSignatures(t *testing.T) {
	clock := newClock()
	r := newRig(t, healthlaketest.Options{Now: clock.now})
	f := func(want string, client *healthlake.Client) {
		t.Helper()
		_, err := client.ListFHIRDatastores(t.Context(), &healthlake.ListFHIRDatastoresInput{})
		if got := code(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("got %s, want %q", got, want)
		}
	}
	tampered := func(change func(*http.Request)) aws.HTTPClient {
		return doer(func(q *http.Request) (*http.Response, error) { change(q); return r.http.Do(q) })
	}
	f("", r.client)
	f("InvalidSignatureException", newClient(r.server.URL, r.http, "another-secret"))
	f("InvalidSignatureException", newClient(r.server.URL, r.http, healthlaketest.SecretKey, func(o *healthlake.Options) { o.Region = "eu-west-1" }))
	f("InvalidSignatureException", newClient(r.server.URL, tampered(func(q *http.Request) { q.Header.Set("X-Amz-Target", "HealthLake.Other") }), healthlaketest.SecretKey))
	f("InvalidSignatureException", newClient(r.server.URL, tampered(func(q *http.Request) { q.URL.Path = "/x" }), healthlaketest.SecretKey))
	f("InvalidSignatureException", newClient(r.server.URL, tampered(func(q *http.Request) {
		q.Body = http.NoBody
		q.ContentLength = 0
	}), healthlaketest.SecretKey))
	f("MissingAuthenticationTokenException", newClient(r.server.URL, tampered(func(q *http.Request) { q.Header.Del("Authorization") }), healthlaketest.SecretKey))
	f("UnrecognizedClientException", newClient(r.server.URL, tampered(func(q *http.Request) {
		q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), healthlaketest.AccessKey, "AKIDOTHER", 1))
	}), healthlaketest.SecretKey))
	clock.step(time.Hour)
	f("InvalidSignatureException", r.client)
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestClientToken(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	first := r.start(request("in/v1-0/"))
	equal(t, r.start(request("in/v1-0/")), first)
	other := request("in/v1-1/")
	other.ClientToken = request("in/v1-0/").ClientToken
	_, err := r.client.StartFHIRImportJob(t.Context(), other)
	equal(t, code(err), "ValidationException")
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.AnyToken = true })
	equal(t, r.start(other), first) // WI1: folder 2 is never imported
	r.await(first)
	equal(t, r.start(request("in/v1-0/")), first)
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.TokenLife = time.Nanosecond })
	if again := r.start(request("in/v1-0/")); again == first {
		t.Error("the token is not forgotten")
	}
}

func TestListJobs(t *testing.T) {
	clock := newClock()
	r := newRig(t, healthlaketest.Options{Now: clock.now, Traps: healthlaketest.Traps{ListLag: time.Minute}})
	begin := clock.now()
	var want []string
	for n := range 5 {
		want = append([]string{r.start(request(fmt.Sprintf("in/v1-%d/", n)))}, want...)
		r.await(want[0])
		clock.step(time.Second)
	}
	list := func(in healthlake.ListFHIRImportJobsInput) (ids []string) {
		t.Helper()
		in.DatastoreId = aws.String(store)
		pages := healthlake.NewListFHIRImportJobsPaginator(r.client, &in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			r.check(err)
			for _, p := range page.ImportJobPropertiesList {
				ids = append(ids, *p.JobId)
			}
		}
		return ids
	}
	equal(t, list(healthlake.ListFHIRImportJobsInput{}), nil) // a client that restarts at once finds nothing
	clock.step(2 * time.Minute)
	equal(t, list(healthlake.ListFHIRImportJobsInput{}), want)
	equal(t, list(healthlake.ListFHIRImportJobsInput{MaxResults: aws.Int32(2)}), want)
	equal(t, list(healthlake.ListFHIRImportJobsInput{JobName: aws.String("in-v1-1")}), want[3:4])
	equal(t, list(healthlake.ListFHIRImportJobsInput{JobStatus: types.JobStatusFailed}), nil)
	equal(t, list(healthlake.ListFHIRImportJobsInput{JobStatus: types.JobStatusCompleted}), want)
	equal(t, list(healthlake.ListFHIRImportJobsInput{SubmittedAfter: aws.Time(begin.Add(time.Second))}), want[:3])
	equal(t, list(healthlake.ListFHIRImportJobsInput{SubmittedBefore: aws.Time(begin.Add(time.Second))}), want[4:])
	_, err := r.client.ListFHIRImportJobs(t.Context(), &healthlake.ListFHIRImportJobsInput{DatastoreId: aws.String("none")})
	equal(t, code(err), "ResourceNotFoundException")
	_, err = r.client.DescribeFHIRImportJob(t.Context(), &healthlake.DescribeFHIRImportJobInput{DatastoreId: aws.String(store), JobId: aws.String("none")})
	equal(t, code(err), "ResourceNotFoundException")
}
