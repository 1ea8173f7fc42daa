package s3test_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/s3test"
	"github.com/fhirhose/fhirhose/sources/fhirworks/folders"
	"github.com/fhirhose/fhirhose/sources/sourcetest"
)

// toolFolders are folders of the FHIR Works tool in a bucket of the gateway.
type toolFolders struct{ *exported }

func (f toolFolders) Key(name string) string { return "7f/v1-0/Patient-" + name + ".ndjson" }

func (f toolFolders) Replace(name string, data []byte) {
	f.server.Put(f.t, bucketName, f.Key(name), data)
}

func (f toolFolders) Remove(name string) { f.remove(f.Key(name)) }

func (f toolFolders) Open(ctx context.Context, staged func(int64)) (pipeline.Source, error) {
	store, err := objectstore.Open(ctx, objectstore.Location{Bucket: bucketName, Prefix: "7f"}, objectstore.Options{
		PathStyle: true, MaxBackoff: 20 * time.Millisecond, IdleTimeout: 500 * time.Millisecond, PartSize: 64 << 10,
	}, nil)
	if err != nil {
		return nil, err
	}
	f.t.Cleanup(store.Close)
	source, err := folders.Open(ctx, folders.Options{Bucket: store, StateDir: f.state, Staged: staged})
	if err != nil {
		return nil, err
	}
	return source, nil
}

func TestFoldersConformance(t *testing.T) {
	sourcetest.RunUnpromised(t, func(t *testing.T, objects []sourcetest.Object) sourcetest.Fixture {
		f := toolFolders{&exported{t: t, server: s3test.Start(t), state: t.TempDir()}}
		f.server.MakeBucket(t, bucketName)
		var keys []string
		for _, o := range objects {
			keys = append(keys, f.Key(o.Name))
			f.Replace(o.Name, o.Compressed)
		}
		text, err := json.Marshal(map[string]any{"jobId": "7f", "file_names": map[string][]string{"v1-0": keys}})
		check(t, err)
		f.server.Put(t, bucketName, "7f/migration_output.json", text)
		return f
	})
}
