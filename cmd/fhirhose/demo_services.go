package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
)

// demoServices are the services of a demo: an S3 of one bucket, in memory, and over
// it simulations of DynamoDB's export and of HealthLake. They listen on this machine alone, and are gone
// with the process; what the bucket holds in the end is kept in a directory.
type demoServices struct {
	bucket *objecttest.Memory
	dir    string // of the bucket's objects between two demos
	close  func()
}

// startDemoServices starts them, and points the SDK of this process at them: no
// demo ever meets a real account, whatever the environment names.
func startDemoServices(dir string, setenv func(name, value string) error) (*demoServices, error) {
	d := &demoServices{bucket: objecttest.NewMemory(), dir: dir}
	d.bucket.Configure("encryption", demoEncryption)
	buckets := httptest.NewServer(d.bucket)
	files := healthlaketest.FromClient(s3.New(s3.Options{
		BaseEndpoint: &buckets.URL, Region: demoRegion, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("demo", "demo", ""), HTTPClient: buckets.Client(),
	}))
	table := dynamodbtest.Table{ARN: dynamodbtest.TableARN, Write: func(dir, prefix string) (items, size int64, err error) {
		made, err := demoTable(context.Background(), dir, prefix, "")
		return made.Items, made.Bytes, err
	}}
	dynamoDB := httptest.NewServer(dynamodbtest.New(dynamodbtest.Options{S3: files, Region: demoRegion, Tables: []dynamodbtest.Table{table}}))
	simulation := healthlaketest.New(healthlaketest.Options{
		S3: files, Region: demoRegion, Traps: healthlaketest.Traps{Queued: demoPause, Running: demoPause},
	})
	healthLake := httptest.NewServer(simulation)
	d.close = func() {
		healthLake.Close()
		simulation.Close()
		dynamoDB.Close()
		buckets.Close()
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": healthLake.URL, "AWS_ENDPOINT_URL_DYNAMODB": dynamoDB.URL, "AWS_ENDPOINT_URL_S3": buckets.URL, "AWS_REGION": demoRegion,
		"AWS_ACCESS_KEY_ID": healthlaketest.AccessKey, "AWS_SECRET_ACCESS_KEY": healthlaketest.SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
	} {
		if err := setenv(name, value); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
}

const (
	demoRegion = "us-east-1"
	// What S3 says of every new bucket.
	demoEncryption = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>" +
		"<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
)

// load puts the directory's files into the bucket.
func (d *demoServices) load() (err error) {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	files := root.FS()
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		d.bucket.PutAt(name, content, info.ModTime())
		return nil
	})
}

// keep writes the bucket's objects to the directory.
func (d *demoServices) keep(ctx context.Context) error {
	for key, content := range d.bucket.Objects() {
		path := filepath.Join(d.dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
