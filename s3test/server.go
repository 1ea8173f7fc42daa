package s3test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/objectstore/objecttest"
)

// Server is an S3 server and the proxy in front of it.
type Server struct {
	Endpoint string             // URL of the proxy
	Direct   string             // URL of the gateway itself
	Faults   *objecttest.Faults // what the proxy breaks; nothing at first
	Client   *s3.Client         // speaks to the gateway directly
}

// Start runs a server for one test, and sets the AWS_* variables of this
// process so that fhirhose speaks to its proxy. Both end with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	direct := "http://" + startGateway(t)
	target, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}
	faults := objecttest.NewFaults(&httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the signature covers it
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	proxy := httptest.NewServer(faults)
	idle := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 20}}
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
		transport.CloseIdleConnections()
		idle.CloseIdleConnections()
	})
	s := &Server{Endpoint: proxy.URL, Direct: direct, Faults: faults}
	s.Client = s3.New(s3.Options{
		BaseEndpoint: &direct, Region: region, UsePathStyle: true, HTTPClient: idle,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	for name, value := range s.Env() {
		t.Setenv(name, value)
	}
	return s
}

// Env returns the environment with which another process speaks to the proxy.
// It also needs path style addresses.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": region, "AWS_ENDPOINT_URL_S3": s.Endpoint, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	}
}

// MakeBucket makes an empty bucket.
func (s *Server) MakeBucket(t testing.TB, bucket string) {
	t.Helper()
	_, err := s.Client.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &bucket})
	check(t, err)
}

// Put writes an object, past the proxy.
func (s *Server) Put(t testing.TB, bucket, key string, content []byte) {
	t.Helper()
	_, err := s.Client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)})
	check(t, err)
}

// Object is what lies under a key.
type Object struct {
	Content []byte
	ETag    string
}

// Objects returns everything under a prefix, by key, past the proxy.
func (s *Server) Objects(t testing.TB, bucket, prefix string) map[string]Object {
	t.Helper()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(8)
	found := map[string]Object{}
	pages := s3.NewListObjectsV2Paginator(s.Client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		check(t, err)
		for _, o := range page.Contents {
			group.Go(func() error {
				content, err := s.get(bucket, *o.Key)
				mu.Lock()
				defer mu.Unlock()
				found[*o.Key] = Object{Content: content, ETag: aws.ToString(o.ETag)}
				return err
			})
		}
	}
	check(t, group.Wait())
	return found
}

func (s *Server) get(bucket, key string) ([]byte, error) {
	out, err := s.Client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(out.Body)
	return content, errors.Join(err, out.Body.Close())
}

// Uploads returns the keys of unfinished uploads, past the proxy.
func (s *Server) Uploads(t testing.TB, bucket string) (keys []string) {
	t.Helper()
	pages := s3.NewListMultipartUploadsPaginator(s.Client, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		check(t, err)
		for _, u := range page.Uploads {
			keys = append(keys, *u.Key)
		}
	}
	return keys
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
