package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
)

// TestCheckContentsInBucket: what check says of a bucket of contents, and of one
// whose objects may be listed and not read. Neither writes anything.
func TestCheckContentsInBucket(t *testing.T) {
	memory, refuse := objecttest.NewMemory(), false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse && strings.HasSuffix(r.URL.Path, ".false") {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("<Error><Code>AccessDenied</Code></Error>"))
			return
		}
		memory.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_S3": server.URL,
		"FHIRHOSE_SOURCE_S3_PATH_STYLE": "true",
	} {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	export := filepath.Join(dir, "export")
	if _, err := generate.Write(t.Context(), generate.Options{Dir: export, Resources: 1500, Objects: 3}); err != nil {
		t.Fatal(err)
	}
	rows, err := binaryRows(export)
	if err != nil || len(rows) < 3 {
		t.Fatalf("%d Binary rows, %v", len(rows), err)
	}
	memory.KeepVersions()
	for _, row := range rows {
		memory.Put("contents/"+row.key+"false", []byte("content"))
	}
	memory.Delete("contents/" + rows[0].key + "false")
	objects := len(memory.Objects())
	file := filepath.Join(dir, "fhirhose.yaml")
	job := "job: a\nsource: {dynamodb_export: {location: export}, binaries: s3://bucket/contents}\nsink: {location: out}\n"
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := run(context.Background(), process{
			args: append([]string{"check", "-c", file}, args...), stdin: strings.NewReader(""),
			stdout: &out, stderr: &out, setenv: os.Setenv, environ: os.Environ(), open: openMover,
		})
		for _, row := range rows {
			if strings.Contains(out.String(), row.key) {
				t.Error("a key is said")
			}
		}
		return code, out.String()
	}
	code, said := check("--source.recover_deleted=true")
	for _, want := range []string{
		"job a: ready to move", "proved  the binary bucket keeps versions", "proved  an object of the binary bucket can be read",
		"Binaries in s3://bucket/contents", "erased  1 object noncurrent only", "1 to be recovered, 0 erased at source, 0 missing, 0 ambiguous",
	} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("exit code %d without %q:\n%s", code, want, said)
		}
	}
	refuse = true
	code, said = check()
	if code != 12 || !strings.Contains(said, "allow this identity s3:GetObject") {
		t.Errorf("exit code %d:\n%s", code, said)
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil || len(memory.Objects()) != objects {
		t.Error("check has written something")
	}
}
