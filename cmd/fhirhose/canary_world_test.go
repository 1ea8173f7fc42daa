package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
	"github.com/fhirhose/fhirhose/sources/fhirworks/fhirworkstest"
)

// wholeStores are the data stores of the migrations below, a job for each.
var wholeStores = []string{healthlaketest.DatastoreID, "smart"}

// wholeWorld is all services of a migration, each with the trouble before it.
type wholeWorld struct {
	memory     *objecttest.Memory
	healthLake *healthlaketest.Simulation
	api        *fhirworkstest.API
	trouble    *trouble
	mended     atomic.Bool // nothing is refused any more that is not dirty
}

// newWholeWorld has a table for each job. Secrets are canaries too.
func newWholeWorld(t *testing.T, tables [][]string) *wholeWorld {
	t.Helper()
	w := &wholeWorld{memory: objecttest.NewMemory(), trouble: newTrouble()}
	contents := objecttest.NewMemory()
	for _, n := range []int{100, 200, 201} {
		contents.Put(recordstest.CanaryKey(n)+"pdf", recordstest.CanaryContent(1000))
	}
	buckets := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/contents") {
			contents.ServeHTTP(rw, r)
			return
		}
		w.memory.ServeHTTP(rw, r)
	})
	serve := func(h http.Handler) *httptest.Server {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server
	}
	calm := serve(buckets)
	files := healthlaketest.FromClient(s3.New(s3.Options{
		BaseEndpoint: &calm.URL, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), HTTPClient: calm.Client(),
	}))
	keys := map[string]string{healthlaketest.AccessKey: recordstest.Canary}
	var all []dynamodbtest.Table
	for n, rows := range tables {
		all = append(all, dynamodbtest.Table{ARN: wholeTable(n), Write: func(dir, prefix string) (int64, int64, error) {
			s, err := generate.Export{Dir: dir, Prefix: prefix, Objects: [][]string{rows}}.Write()
			return s.Items, s.Bytes, err
		}})
	}
	dynamoDB := dynamodbtest.New(dynamodbtest.Options{S3: files, Keys: keys, Tables: all})
	var stores []healthlaketest.Store
	for _, id := range wholeStores {
		s := healthlaketest.Store{ID: id}
		if id == "smart" {
			s.Authority = &healthlaketest.Authority{ClientID: "c", ClientSecret: recordstest.Canary, Life: time.Hour}
		}
		stores = append(stores, s)
	}
	w.healthLake = healthlaketest.New(healthlaketest.Options{S3: files, Keys: keys, Stores: stores, Traps: healthlaketest.Traps{Refuse: w.refuse}})
	t.Cleanup(w.healthLake.Close)
	w.api = &fhirworkstest.API{Key: recordstest.Canary, Username: recordstest.Canary, Password: recordstest.Canary, ClientID: "c"}
	target, source := serve(w.trouble.before("healthlake", w.healthLake)), serve(w.trouble.before("fhirworks", w.api))
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": healthlaketest.AccessKey, "AWS_SECRET_ACCESS_KEY": recordstest.Canary, "AWS_SESSION_TOKEN": recordstest.Canary,
		"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_PROFILE": "", "AWS_ENDPOINT_URL_HEALTHLAKE": target.URL,
		"AWS_ENDPOINT_URL_S3":                        serve(w.trouble.before("s3", buckets)).URL,
		"AWS_ENDPOINT_URL_DYNAMODB":                  serve(w.trouble.before("dynamodb", dynamoDB)).URL,
		"HEALTHLAKE_SMART_CLIENT_ID":                 "c",
		"HEALTHLAKE_SMART_CLIENT_SECRET":             recordstest.Canary,
		"API_URL":                                    source.URL + "/dev/",
		"API_KEY":                                    recordstest.Canary,
		"COGNITO_CLIENT_ID":                          "c",
		"COGNITO_USERNAME":                           recordstest.Canary,
		"COGNITO_PASSWORD":                           recordstest.Canary,
		"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": source.URL,
	} {
		t.Setenv(name, value)
	}
	return w
}

func wholeTable(n int) string { return fmt.Sprint(dynamodbtest.TableARN, n) }

// dirty marks the rows of jobs for which nothing is mended.
const dirty = `"_dirty"`

// refuse refuses the last version of a patient, until that is mended; of dirty rows
// for ever, and the second of another patient.
func (w *wholeWorld) refuse(key string, body []byte) string {
	isDirty := bytes.Contains(body, []byte(dirty))
	stale := key == patientKey(2) && bytes.Contains(body, []byte(`"multipleBirthInteger":3`)) && (isDirty || !w.mended.Load())
	overtaken := key == patientKey(1) && bytes.Contains(body, []byte(`"multipleBirthInteger":2`)) && isDirty
	if stale || overtaken {
		return wordsOfServers
	}
	return ""
}

// inSink looks at what the sink holds beside data, and at all keys.
func (w *wholeWorld) inSink(t *testing.T) {
	t.Helper()
	trails := 0
	for key, content := range w.memory.Objects() {
		trail := strings.Contains(key, "/_fhirhose/audit/")
		if trail {
			trails++
		}
		if tells([]byte(key)) || (trail || strings.HasSuffix(key, ".json") && strings.HasPrefix(key, "out/")) && tells(content) {
			t.Errorf("the sink tells a value: %s", key)
		}
	}
	if trails == 0 {
		t.Error("the sink has no audit log")
	}
}
