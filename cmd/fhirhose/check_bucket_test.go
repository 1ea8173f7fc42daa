package main

import (
	"bytes"
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
)

// TestCheckInBuckets: the write probe of a bucket, and one object of many in an
// archive, which the sample does not meet.
func TestCheckInBuckets(t *testing.T) {
	memory, archived := objecttest.NewMemory(), ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if archived != "" && strings.HasSuffix(r.URL.Path, archived) {
			w.Header().Set("X-Amz-Storage-Class", "DEEP_ARCHIVE")
		}
		memory.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_S3": server.URL,
		"FHIRHOSE_SOURCE_S3_PATH_STYLE": "true", "FHIRHOSE_SINK_S3_PATH_STYLE": "true",
	} {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	small := putExport(t, dir, memory)
	objects := len(memory.Objects())
	file := filepath.Join(dir, "fhirhose.yaml")
	job := "job: a\nsource: {binaries: none, dynamodb_export: {location: s3://bucket/export}}\nsink: {location: s3://bucket/out}\n"
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func() (int, string) {
		var out bytes.Buffer
		code := run(context.Background(), process{
			args: []string{"check", "-c", file, "--write-probe"}, stdin: strings.NewReader(""),
			stdout: &out, stderr: &out, setenv: os.Setenv, environ: os.Environ(), open: openMover,
		})
		return code, out.String()
	}
	code, said := check()
	for _, want := range []string{
		"job a: ready to move", "proved  one object was written to the sink and deleted",
		"proved  the sink refuses to replace an object", "proved  the sink refuses bytes that do not match",
	} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("exit code %d without %q:\n%s", code, want, said)
		}
	}
	archived = small
	code, said = check()
	for _, want := range []string{"NOT READY: 1 problem", "cannot be read: 1 object (DEEP_ARCHIVE 1)", "try: restore the objects"} {
		if code != 7 || !strings.Contains(said, want) {
			t.Errorf("exit code %d without %q:\n%s", code, want, said)
		}
	}
	if n := len(memory.Objects()); n != objects {
		t.Errorf("%d objects, %d before", n, objects)
	}
}

// putExport lays an export of more objects than are sampled into the bucket. It
// returns the name of the smallest.
func putExport(t *testing.T, dir string, memory *objecttest.Memory) (small string) {
	t.Helper()
	summary, err := generate.Write(t.Context(), generate.Options{Dir: dir, Resources: 50, Objects: 5})
	if err != nil {
		t.Fatal(err)
	}
	least := summary.Objects[0]
	for _, object := range summary.Objects {
		if object.Compressed < least.Compressed {
			least = object
		}
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		memory.Put("export/"+filepath.ToSlash(name), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(least.Path)
}
