package s3test_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sources/dynamoexport"
	"github.com/fhirhose/fhirhose/sources/sourcetest"
)

const exportFolder = "p/AWSDynamoDB/01693685827463-2d8752fd"

// exported is an export in a bucket of the gateway.
type exported struct {
	t      *testing.T
	server *s3test.Server
	state  string
}

// newExported lays an export out as DynamoDB does.
func newExported(t *testing.T, objects []sourcetest.Object) *exported {
	e := &exported{t: t, server: s3test.Start(t), state: t.TempDir()}
	e.server.MakeBucket(t, bucketName)
	var files bytes.Buffer
	var items int64
	for _, o := range objects {
		sum := md5.Sum(o.Compressed)
		check(t, json.NewEncoder(&files).Encode(map[string]any{
			"itemCount": o.Items, "md5Checksum": sum[:], "dataFileS3Key": e.Key(o.Name),
		}))
		items += o.Items
		e.Replace(o.Name, o.Compressed)
	}
	summary, err := json.Marshal(map[string]any{
		"exportArn": "arn:aws:dynamodb:us-east-1:1:table/t/export/01693685827463-2d8752fd",
		"s3Prefix":  "p", "itemCount": items, "outputFormat": "DYNAMODB_JSON",
	})
	check(t, err)
	e.server.Put(t, bucketName, exportFolder+"/manifest-files.json", files.Bytes())
	e.server.Put(t, bucketName, exportFolder+"/manifest-summary.json", summary)
	return e
}

func (e *exported) Open(ctx context.Context, staged func(int64)) (pipeline.Source, error) {
	store, err := objectstore.Open(ctx, objectstore.Location{Bucket: bucketName, Prefix: exportFolder}, objectstore.Options{
		PathStyle: true, MaxBackoff: 20 * time.Millisecond, IdleTimeout: 500 * time.Millisecond, PartSize: 64 << 10,
	}, nil)
	if err != nil {
		return nil, err
	}
	e.t.Cleanup(store.Close)
	source, err := dynamoexport.Open(ctx, dynamoexport.Options{Bucket: store, StateDir: e.state, Staged: staged})
	if err != nil {
		return nil, err
	}
	return source, nil
}

func (e *exported) Key(name string) string { return exportFolder + "/data/" + name }

func (e *exported) Replace(name string, data []byte) {
	e.server.Put(e.t, bucketName, e.Key(name), data)
}

func (e *exported) Remove(name string) { e.remove(e.Key(name)) }

func (e *exported) remove(key string) {
	bucket := bucketName
	_, err := e.server.Client.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	check(e.t, err)
}

func TestExportConformance(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, objects []sourcetest.Object) sourcetest.Fixture {
		return newExported(t, objects)
	})
}

// At a fifth of failing calls every object still arrives as it is.
func TestExportThroughFaults(t *testing.T) {
	objects := []sourcetest.Object{
		{Name: "large.json.gz", Items: 3, Compressed: bytes.Repeat([]byte("0123456789abcdef"), 100<<10)}, // 25 ranges
		{Name: "empty.json.gz", Items: 0},
		{Name: "small.json.gz", Items: 1, Compressed: []byte("small")},
	}
	e := newExported(t, objects)
	e.server.Faults.Decide(objecttest.Seeded(7, 0.2, objecttest.SlowDown, objecttest.ServerError, objecttest.Reset, objecttest.Truncated, objecttest.Stall))
	source, err := e.Open(t.Context(), nil)
	check(t, err)
	for i, object := range source.Objects() {
		staged, err := source.Stage(t.Context(), i)
		check(t, err)
		r, err := staged.Open()
		check(t, err)
		got, err := io.ReadAll(r)
		check(t, err)
		check(t, r.Close())
		for _, want := range objects {
			if strings.HasSuffix(object.Key, want.Name) && !bytes.Equal(got, want.Compressed) {
				t.Errorf("%s: other bytes", object.Key)
			}
		}
	}
	if _, injected := e.server.Faults.Counts(); len(injected) < 3 {
		t.Errorf("only %v went wrong", injected)
	}
}
