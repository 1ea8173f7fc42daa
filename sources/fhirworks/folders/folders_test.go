package folders_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/fhirworks/folders"
	"github.com/fhirhose/fhirhose/sources/sourcetest"
)

// tree is the files of a job of the tool by their name below its folder.
type tree map[string]string

// announce adds migration_output.json, which names these files of the job at root.
func (f tree) announce(root string, names ...string) tree {
	byFolder := map[string][]string{}
	for _, name := range names {
		folder := filepath.Dir(name)
		byFolder[folder] = append(byFolder[folder], root+name)
	}
	text, _ := json.Marshal(map[string]any{"jobId": "7f", "file_names": byFolder})
	f["migration_output.json"] = string(text)
	return f
}

// write lays the tree out in a new directory.
func (f tree) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// fileOf is where the suite's object lies: it asks for any name.
func fileOf(name string) string { return "v3-0/Patient-" + name + ".ndjson" }

func treeOf(objects []sourcetest.Object) tree {
	f := tree{}
	var names []string
	for _, o := range objects {
		f[fileOf(o.Name)] = string(o.Compressed)
		names = append(names, fileOf(o.Name))
	}
	return f.announce("7f/", names...)
}

type directory struct {
	t          *testing.T
	dir, state string
}

func (d directory) Open(ctx context.Context, staged func(int64)) (pipeline.Source, error) {
	source, err := folders.Open(ctx, folders.Options{Location: d.dir, StateDir: d.state, Staged: staged})
	if err != nil {
		return nil, err
	}
	return source, nil
}

func (d directory) Key(name string) string { return "7f/" + fileOf(name) }

func (d directory) Replace(name string, data []byte) {
	path := filepath.Join(d.dir, fileOf(name))
	write(d.t, path+".new", string(data))
	if err := os.Rename(path+".new", path); err != nil {
		d.t.Fatal(err)
	}
}

func (d directory) Remove(name string) {
	if err := os.Remove(filepath.Join(d.dir, fileOf(name))); err != nil {
		d.t.Fatal(err)
	}
}

func TestDirectoryIsASource(t *testing.T) {
	sourcetest.RunUnpromised(t, func(t *testing.T, objects []sourcetest.Object) sourcetest.Fixture {
		return directory{t, treeOf(objects).write(t), t.TempDir()}
	})
}

type bucket struct {
	t      *testing.T
	memory *objecttest.Memory
	state  string
	url    string
	at     objectstore.Location
}

func newBucket(t *testing.T, f tree) *bucket {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	b := &bucket{t: t, memory: objecttest.NewMemory(), state: t.TempDir(), at: objectstore.Location{Bucket: "b", Prefix: "copies/7f"}}
	server := httptest.NewServer(b.memory)
	t.Cleanup(server.Close)
	b.url = server.URL
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	for name, text := range f {
		b.memory.Put(b.at.Key(name), []byte(text))
	}
	return b
}

func (b *bucket) Open(ctx context.Context, staged func(int64)) (pipeline.Source, error) {
	store, err := objectstore.Open(ctx, b.at, objectstore.Options{
		Region: "us-east-1", PathStyle: true, Attempts: 2, MaxBackoff: time.Millisecond, PartSize: 64 << 10,
	}, nil)
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(store.Close)
	source, err := folders.Open(ctx, folders.Options{Bucket: store, StateDir: b.state, Staged: staged})
	if err != nil {
		return nil, err
	}
	return source, nil
}

func (b *bucket) Key(name string) string { return "7f/" + fileOf(name) }

func (b *bucket) Replace(name string, data []byte) { b.memory.Put(b.at.Key(fileOf(name)), data) }

func (b *bucket) Remove(name string) { b.remove(fileOf(name)) }

func (b *bucket) remove(name string) {
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodDelete, b.url+"/b/"+b.at.Key(name), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

func TestBucketIsASource(t *testing.T) {
	sourcetest.RunUnpromised(t, func(t *testing.T, objects []sourcetest.Object) sourcetest.Fixture {
		return newBucket(t, treeOf(objects))
	})
}

// TestCopyIsHeldToTheChecksum: where S3 tells a checksum of the whole object, the
// copy must have it (I9).
func TestCopyIsHeldToTheChecksum(t *testing.T) {
	const file = "v1-0/Patient-v1-00000.ndjson"
	b := newBucket(t, tree{file: "{}\n"}.announce("7f/", file))
	open := func(sum string) error {
		store, err := objectstore.Open(t.Context(), b.at, objectstore.Options{Region: "us-east-1", PathStyle: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(store.Close)
		source, err := folders.Open(t.Context(), folders.Options{Bucket: summed{store, sum}, StateDir: b.state})
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Stage(t.Context(), 0)
		return err
	}
	err := open(objectstore.CRC(0).Add([]byte("{}")).Base64())
	if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "CRC-64") {
		t.Errorf("a wrong copy: %v", err)
	}
	if err := open(objectstore.CRC(0).Add([]byte("{}\n")).Base64()); err != nil {
		t.Error(err)
	}
}

// summed tells a checksum of every object.
type summed struct {
	*objectstore.Store
	sum string
}

func (s summed) Head(ctx context.Context, key string) (objectstore.Info, error) {
	info, err := s.Store.Head(ctx, key)
	info.CRC64NVME = s.sum
	return info, err
}

// TestChangedBeforeItWasRead: a file that is not as long as when it was found is another
// one than the job's fingerprint has.
func TestChangedBeforeItWasRead(t *testing.T) {
	const file = "v1-0/Patient-v1-00000.ndjson"
	dir, state := tree{file: "{}\n"}.announce("7f/", file).write(t), t.TempDir()
	source, err := folders.Open(t.Context(), folders.Options{Location: dir, StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, file), "{}\n{}\n")
	if _, err = source.Stage(t.Context(), 0); pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(err.Error(), "7f/"+file+": changed while reading") {
		t.Errorf("got %v", err)
	}
}

// What the announcement says of versions reaches the pipeline, numbers and not
// letters; Binary-v1 without a number is the tool's.
func TestVersionsOfFolders(t *testing.T) {
	f := tree{
		"v10-0/Patient-v10-00000.ndjson": "{}\n", "v2-1/Patient-v2-00000.ndjson": "{}\n{}\n",
		"Binary-v1/Binary-v1-00000.ndjson": "", "Binary-v3-0/Binary-v3-00000.ndjson": "{}\n\n",
	}
	source, err := folders.Open(t.Context(), folders.Options{
		Location: f.announce("t/7f/", "v10-0/Patient-v10-00000.ndjson", "v2-1/Patient-v2-00000.ndjson",
			"Binary-v1/Binary-v1-00000.ndjson", "Binary-v3-0/Binary-v3-00000.ndjson").write(t), StateDir: t.TempDir(), Tenant: "t",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []pipeline.Object{ // by size, then by key
		{Key: "t/7f/v2-1/Patient-v2-00000.ndjson", Size: 6, Version: 2},
		{Key: "t/7f/Binary-v3-0/Binary-v3-00000.ndjson", Size: 4, Version: 3},
		{Key: "t/7f/v10-0/Patient-v10-00000.ndjson", Size: 3, Version: 10},
		{Key: "t/7f/Binary-v1/Binary-v1-00000.ndjson", Size: 0, Version: 1},
	}
	for i, got := range source.Objects() {
		if got.Key != want[i].Key || got.Size != want[i].Size || got.Version != want[i].Version || got.Items != pipeline.Unpromised {
			t.Errorf("object %d is %+v, want %+v", i, got, want[i])
		}
	}
}

func TestRefuses(t *testing.T) {
	const file = "v1-0/Patient-v1-00000.ndjson"
	for name, c := range map[string]struct {
		announced string // "" for none
		tenant    string
		kind      pipeline.Kind
		says      string
		hint      string
	}{
		"no announcement":   {"", "", pipeline.KindConfig, "migration_output.json", "the location must be the folder that holds migration_output.json"},
		"not JSON":          {"<html>", "", pipeline.KindFatal, "not JSON", "copy the whole folder again"},
		"no folders":        {`{"jobId":"7f","file_names":{}}`, "", pipeline.KindConfig, "names no folders", "the folder that holds"},
		"of no version":     {`{"file_names":{"data":["7f/data/Patient-v1-00000.ndjson"]}}`, "", pipeline.KindFatal, "none of a version", "copy"},
		"of version 0":      {`{"file_names":{"v0-0":["7f/v0-0/Patient-v0-00000.ndjson"]}}`, "", pipeline.KindFatal, "none of a version", "copy"},
		"elsewhere":         {`{"file_names":{"v1-0":["7f/v2-0/Patient-v1-00000.ndjson"]}}`, "", pipeline.KindFatal, "does not lie in it", "copy"},
		"leads out":         {`{"file_names":{"v1-0":["7f/v1-0/../Patient-v1-00000.ndjson"]}}`, "", pipeline.KindFatal, "does not lie in it", "copy"},
		"no file of a type": {`{"file_names":{"v1-0":["7f/v1-0/part-00000"]}}`, "", pipeline.KindFatal, "no file of a resource type", "copy"},
		"twice":             {`{"file_names":{"v1-0":["7f/` + file + `","7f/` + file + `"]}}`, "", pipeline.KindFatal, "twice", "copy"},
		"of two jobs":       {`{"file_names":{"v1-0":["7f/` + file + `","8f/` + file + `"]}}`, "", pipeline.KindFatal, "several places", "copy"},
		"of another tenant": {
			`{"file_names":{"v1-0":["t/7f/` + file + `"]}}`, "u", pipeline.KindConfig, "not those of source.tenant", "that tenant",
		},
		"of a longer tenant": {
			`{"file_names":{"v1-0":["tu/7f/` + file + `"]}}`, "t", pipeline.KindConfig, "not those of source.tenant", "that tenant",
		},
		"of no tenant": {`{"file_names":{"v1-0":["t/` + file + `"]}}`, "t", pipeline.KindConfig, "not those of source.tenant", "that tenant"},
		// WE3: the tool announces what it has lost.
		"lost": {
			`{"file_names":{"v1-0":["7f/` + file + `","7f/v1-0/Observation-v1-00000.ndjson","7f/v1-0/Goal-v1-00000.ndjson"]}}`, "",
			pipeline.KindFatal, "and 1 more data files are missing", "the FHIR Works tool loses files",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := tree{file: "{}\n"}
			if c.announced != "" {
				f["migration_output.json"] = c.announced
			}
			dir := f.write(t)
			_, err := folders.Open(t.Context(), folders.Options{Location: dir, Tenant: c.tenant, StateDir: t.TempDir()})
			if err == nil {
				t.Fatal("accepted")
			}
			if pipeline.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), dir) ||
				!strings.Contains(pipeline.HintOf(err), c.hint) {
				t.Errorf("kind %d: %v; hint %q", pipeline.KindOf(err), err, pipeline.HintOf(err))
			}
		})
	}
}

func TestLostInABucketIsNamed(t *testing.T) {
	b := newBucket(t, tree{}.announce("7f/", "v1-0/Patient-v1-00000.ndjson"))
	_, err := b.Open(t.Context(), nil)
	if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(err.Error(), "s3://b/copies/7f/v1-0/Patient-v1-00000.ndjson") ||
		!strings.Contains(pipeline.HintOf(err), "loses files") {
		t.Errorf("%v; hint %q", err, pipeline.HintOf(err))
	}
}

// The location may name the announcement itself, and a tree that was copied
// elsewhere is the same.
func TestLocations(t *testing.T) {
	const file = "v1-0/Patient-v1-00000.ndjson"
	f := tree{file: "{}\n"}.announce("some/7f/", file)
	dir := f.write(t)
	for _, at := range []string{dir, dir + "/", filepath.Join(dir, "migration_output.json")} {
		source, err := folders.Open(t.Context(), folders.Options{Location: at, StateDir: t.TempDir()})
		if err != nil || len(source.Objects()) != 1 || source.Folder() != dir {
			t.Errorf("%s: %v", at, err)
		}
	}
	b := newBucket(t, f)
	b.at.Prefix += "/migration_output.json"
	if _, err := b.Open(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := folders.Open(t.Context(), folders.Options{Location: "s3://b/p", StateDir: t.TempDir()}); err == nil {
		t.Error("a bucket that was not opened was read")
	}
}

// TestUnnamed: WE6, what the tool has left behind without naming it is told.
func TestUnnamed(t *testing.T) {
	const file = "v1-0/Patient-v1-00000.ndjson"
	f := tree{
		file: "{}\n", "part-00007": "{}\n", "v1-0/run-part-r-00001": "{}{}\n",
		"_fhirhose/ledger/seg-00000.led": "x", "v1-0/_SUCCESS": "",
	}
	f.announce("7f/", file)
	b := newBucket(t, f)
	inBucket, err := b.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	inDirectory, err := folders.Open(t.Context(), folders.Options{Location: f.write(t), StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for what, source := range map[string]*folders.Source{"directory": inDirectory, "bucket": inBucket.(*folders.Source)} {
		got, err := source.Unnamed(t.Context())
		if want := (folders.Unnamed{Files: 2, Bytes: 8, First: "part-00007"}); err != nil || got != want {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}
