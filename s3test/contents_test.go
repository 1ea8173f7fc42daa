package s3test_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sources/binarybucket"
	"github.com/fhirhose/fhirhose/sources/contentstest"
)

// contents is a bucket of contents of the gateway.
type contents struct {
	t      *testing.T
	server *s3test.Server
	state  string
}

func (c *contents) Open(prefix string) (pipeline.Contents, error) {
	store, err := objectstore.Open(c.t.Context(), objectstore.Location{Bucket: bucketName, Prefix: "some/place"}, objectstore.Options{
		PathStyle: true, MaxBackoff: 20 * time.Millisecond, IdleTimeout: time.Second,
	}, nil)
	if err != nil {
		return nil, err
	}
	c.t.Cleanup(store.Close)
	return binarybucket.Open(binarybucket.Options{
		Bucket: store, Prefix: prefix, StateDir: c.state,
		Streams: contentstest.Streams, RangeBytes: contentstest.RangeBytes,
	})
}

func (c *contents) Put(key string, content []byte) {
	c.t.Helper()
	bucket, whole := bucketName, "some/place/"+key
	_, err := c.server.Client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: &whole, Body: bytes.NewReader(content)})
	check(c.t, err)
}

func (c *contents) Remove(key string) {
	c.t.Helper()
	bucket, whole := bucketName, "some/place/"+key
	_, err := c.server.Client.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &whole})
	check(c.t, err)
}

func (c *contents) Versions() bool { return false }

func (c *contents) Forget() { check(c.t, os.RemoveAll(c.state)) }

func TestContentsConformance(t *testing.T) {
	contentstest.Run(t, func(t *testing.T) contentstest.Fixture {
		c := &contents{t: t, server: s3test.Start(t), state: t.TempDir()}
		c.server.MakeBucket(t, bucketName)
		return c
	})
}
