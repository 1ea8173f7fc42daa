package dynamoexport

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/sourcetest"
)

const testID = "01693685827463-2d8752fd"

// export is the files of an export by their name below its folder.
type export map[string][]byte

// newExport lays an export out as DynamoDB does; keys carry prefix, e.g. "p/".
func newExport(prefix string, objects []sourcetest.Object) export {
	e := export{}
	var files bytes.Buffer
	var total int64
	for _, o := range objects {
		sum := md5.Sum(o.Compressed)
		line, _ := json.Marshal(map[string]any{
			"itemCount": o.Items, "md5Checksum": base64.StdEncoding.EncodeToString(sum[:]),
			"etag": "af83d6f217c19b8b0fff8023d8ca4716-1", "dataFileS3Key": testKey(prefix, o.Name),
		})
		files.Write(append(line, '\n'))
		e["data/"+o.Name] = o.Compressed
		total += o.Items
	}
	e[filesName] = files.Bytes()
	e.setSummary(map[string]any{"itemCount": total, "s3Prefix": prefix})
	return e
}

func testKey(prefix, name string) string { return prefix + "AWSDynamoDB/" + testID + "/data/" + name }

// setSummary writes the summary with these fields over the usual ones.
func (e export) setSummary(fields map[string]any) {
	s := map[string]any{
		"version": "2020-06-30", "exportArn": "arn:aws:dynamodb:us-east-1:1:table/resource-db-dev/export/" + testID,
		"exportTime": "2023-09-02T20:16:50.000Z", "s3Bucket": "b", "s3Prefix": nil, "s3SseKmsKeyId": nil,
		"manifestFilesS3Key": "AWSDynamoDB/" + testID + "/manifest-files.json",
		"outputFormat":       "DYNAMODB_JSON", "exportType": "FULL_EXPORT", "some": map[string]any{"new": "field"},
	}
	for k, v := range fields {
		if v == "absent" {
			delete(s, k)
		} else {
			s[k] = v
		}
	}
	e[summaryName], _ = json.Marshal(s)
}

// write lays the export out in a new directory and returns its folder.
func (e export) write(t testing.TB) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "AWSDynamoDB", testID)
	for name, data := range e {
		writeFile(t, filepath.Join(folder, name), data)
	}
	return folder
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// three is a small export.
func three() []sourcetest.Object {
	var objects []sourcetest.Object
	for i, name := range []string{"a.json.gz", "b.json.gz", "c.json.gz"} {
		objects = append(objects, sourcetest.Object{Name: name, Items: int64(i), Compressed: []byte("bytes of " + name)})
	}
	return objects
}

func openExport(t testing.TB, location string) (*Source, error) {
	t.Helper()
	return Open(t.Context(), Options{Location: location, StateDir: t.TempDir()})
}

type directoryFixture struct {
	t      *testing.T
	folder string
	state  string
}

func (f *directoryFixture) Open(ctx context.Context, staged func(int64)) (pipeline.Source, error) {
	source, err := Open(ctx, Options{Location: f.folder, StateDir: f.state, Staged: staged})
	if err != nil {
		return nil, err // a nil *Source in the interface would not be nil
	}
	return source, nil
}

func (f *directoryFixture) Key(name string) string { return testKey("p/", name) }

func (f *directoryFixture) path(name string) string { return filepath.Join(f.folder, "data", name) }

func (f *directoryFixture) Replace(name string, data []byte) {
	writeFile(f.t, f.path(name)+".new", data)
	if err := os.Rename(f.path(name)+".new", f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *directoryFixture) Remove(name string) {
	if err := os.Remove(f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

func TestDirectoryIsASource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, objects []sourcetest.Object) sourcetest.Fixture {
		return &directoryFixture{t: t, folder: newExport("p/", objects).write(t), state: t.TempDir()}
	})
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(fmt.Errorf("unexpected: %w", err))
		}
		return v
	}
}

func readAll(staged pipeline.Staged) ([]byte, error) {
	r, err := staged.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}
