package dynamoexport

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/sources/sourcetest"
)

// server speaks as much S3 as a source needs: HEAD and GET with Range and
// If-Match. The real gateway is tested in the module s3test.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	objects  map[string][]byte // by "bucket/key"
	versions map[string]int
	gets     int
	noList   bool         // 403 for what is absent
	before   func(string) // called before each GET, may change objects
}

func newServer(t *testing.T, keys map[string][]byte) *server {
	t.Helper()
	s := &server{objects: keys, versions: map[string]int{}, before: func(string) {}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", s.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	return s
}

func (s *server) put(key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = data
	s.versions[key]++
}

func (s *server) remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodGet {
		s.before(key)
	}
	s.mu.Lock()
	data, ok := s.objects[key]
	etag := fmt.Sprintf(`"%x-%d"`, len(data), s.versions[key])
	if r.Method == http.MethodGet {
		s.gets++
	}
	s.mu.Unlock()
	switch {
	case !ok && s.noList:
		w.WriteHeader(http.StatusForbidden)
		return
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`<Error><Code>NoSuchKey</Code><Message>canary of the server</Message></Error>`))
		}
		return
	}
	w.Header().Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// store opens the bucket of an s3:// location on the server.
func (s *server) store(ctx context.Context, location string) (*objectstore.Store, error) {
	where, err := objectstore.Parse(location)
	if err != nil {
		return nil, err
	}
	return objectstore.Open(ctx, where, objectstore.Options{
		Region: "us-east-1", PathStyle: true, Attempts: 2, MaxBackoff: time.Millisecond, PartSize: 64 << 10,
	}, nil)
}

func (e export) keys(folder string) map[string][]byte {
	keys := map[string][]byte{}
	for name, data := range e {
		keys[folder+"/"+name] = data
	}
	return keys
}

type bucketFixture struct {
	t      *testing.T
	server *server
	folder string // bucket/prefix
	state  string
}

func newBucketFixture(t *testing.T, objects []sourcetest.Object) *bucketFixture {
	folder := "bulk/p/AWSDynamoDB/" + testID
	return &bucketFixture{t, newServer(t, newExport("p/", objects).keys(folder)), folder, t.TempDir()}
}

func (f *bucketFixture) Open(ctx context.Context, staged func(int64)) (pipeline.Source, error) {
	store, err := f.server.store(ctx, "s3://"+f.folder)
	if err != nil {
		return nil, err
	}
	f.t.Cleanup(store.Close)
	source, err := Open(ctx, Options{Bucket: store, StateDir: f.state, Staged: staged})
	if err != nil {
		return nil, err
	}
	return source, nil
}

func (f *bucketFixture) Key(name string) string { return testKey("p/", name) }

func (f *bucketFixture) Replace(name string, data []byte) {
	f.server.put(f.folder+"/data/"+name, data)
}

func (f *bucketFixture) Remove(name string) { f.server.remove(f.folder + "/data/" + name) }

func (f *bucketFixture) inbox() []string {
	entries, err := os.ReadDir(filepath.Join(f.state, "in"))
	if err != nil {
		f.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestBucketIsASource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, objects []sourcetest.Object) sourcetest.Fixture {
		return newBucketFixture(t, objects)
	})
}

// What lies in state is neither fetched again nor left behind.
func TestBucketStagesInState(t *testing.T) {
	f := newBucketFixture(t, three())
	source := must[pipeline.Source](t)(f.Open(t.Context(), nil))
	if !source.Spools() {
		t.Errorf("staging takes space in state")
	}
	must[pipeline.Staged](t)(source.Stage(t.Context(), 0))
	if got := strings.Join(f.inbox(), " "); got != "000000.gz 000000.json" {
		t.Errorf("state/in holds %s", got)
	}
	for _, name := range f.inbox() {
		if info := must[os.FileInfo](t)(os.Stat(filepath.Join(f.state, "in", name))); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	source = must[pipeline.Source](t)(f.Open(t.Context(), nil))
	before := f.server.gets
	must[pipeline.Staged](t)(source.Stage(t.Context(), 0))
	if f.server.gets != before {
		t.Errorf("fetched again: %d requests", f.server.gets-before)
	}
	if err := source.Discard(0); err != nil || len(f.inbox()) != 0 {
		t.Errorf("after discard: %v, %v", err, f.inbox())
	}
}

// I1: a copy has its name only once it is durable, and its marker only once it is
// verified.
func TestOrderOfStaging(t *testing.T) {
	f := newBucketFixture(t, three())
	source := must[pipeline.Source](t)(f.Open(t.Context(), nil))
	var steps []string
	remove := faultpoint.Set(func(point string) error {
		steps = append(steps, point)
		return nil
	})
	defer remove()
	must[pipeline.Staged](t)(source.Stage(t.Context(), 0))
	const copied, marked = "write fsync rename syncdir", "write written fsync rename syncdir"
	if got, want := strings.Join(steps, " "), "stage mkdir syncdir "+copied+" "+marked+" staged"; got != want {
		t.Errorf("steps  %s\nwanted %s", got, want)
	}
}

// I9: what an unclean stop left in state is neither believed nor held against the
// export.
func TestLeftovers(t *testing.T) {
	good := string(three()[2].Compressed)
	for name, leftovers := range map[string]map[string]string{
		"partial":                     {"000000.gz.part": "bytes"},
		"partial, longer than it all": {"000000.gz.part": good + good},
		"whole without marker":        {"000000.gz": good},
		"damaged, of the right size":  {"000000.gz": strings.ToUpper(good)},
		"damaged, of another size":    {"000000.gz": "b"},
		"marker without object":       {"000000.json": `{"version":1,"md5":"00"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newBucketFixture(t, three())
			for file, text := range leftovers {
				writeFile(t, filepath.Join(f.state, "in", file), []byte(text))
			}
			source := must[pipeline.Source](t)(f.Open(t.Context(), nil))
			staged := must[pipeline.Staged](t)(source.Stage(t.Context(), 0))
			if got := string(must[[]byte](t)(readAll(staged))); got != good {
				t.Errorf("read %q", got)
			}
			if err := source.Discard(0); err != nil || len(f.inbox()) != 0 {
				t.Errorf("after discard: %v, %v", err, f.inbox())
			}
		})
	}
}

// The object changes between two ranges of one download.
func TestChangedDuringDownload(t *testing.T) {
	objects := three()
	objects[2].Compressed = bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 16 ranges
	f := newBucketFixture(t, objects)
	source := must[pipeline.Source](t)(f.Open(t.Context(), nil))
	var once sync.Once
	f.server.before = func(key string) {
		if strings.HasSuffix(key, "c.json.gz") {
			once.Do(func() { f.server.put(key, bytes.Repeat([]byte("X"), 1<<20)) })
		}
	}
	_, err := source.Stage(t.Context(), 0)
	if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(err.Error(), "changed while reading") ||
		!strings.Contains(err.Error(), "c.json.gz") || pipeline.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
	if got := f.inbox(); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestBucketLocations(t *testing.T) {
	for name, location := range map[string]string{
		"the export":         "s3://bulk/p/AWSDynamoDB/" + testID,
		"with a slash":       "s3://bulk/p/AWSDynamoDB/" + testID + "/",
		"its data folder":    "s3://bulk/p/AWSDynamoDB/" + testID + "/data/",
		"its summary":        "s3://bulk/p/AWSDynamoDB/" + testID + "/manifest-summary.json",
		"manifest set apart": "s3://bulk/apart", // data only under the original keys
		"copy at the top":    "s3://copy",
	} {
		for _, noList := range []bool{false, true} {
			t.Run(fmt.Sprint(name, noList), func(t *testing.T) {
				e := newExport("", three()) // keys without the prefix
				e.setSummary(map[string]any{"itemCount": 3, "s3Prefix": "p"})
				keys := e.keys("bulk/p/AWSDynamoDB/" + testID)
				keys["bulk/apart/"+summaryName], keys["bulk/apart/"+filesName] = e[summaryName], e[filesName]
				for file, data := range e {
					keys["copy/"+file] = data
				}
				s := newServer(t, keys)
				s.noList = noList
				store := must[*objectstore.Store](t)(s.store(t.Context(), location))
				defer store.Close()
				source, err := Open(t.Context(), Options{Bucket: store, StateDir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := source.Stage(t.Context(), 0); err != nil || source.Objects()[0].Size != 18 {
					t.Errorf("%v, %+v", err, source.Objects()[0])
				}
			})
		}
	}
}

func TestBucketFaults(t *testing.T) {
	const folder = "bulk/AWSDynamoDB/" + testID
	for name, test := range map[string]struct {
		absent string
		noList bool
		kind   pipeline.Kind
		hint   string
	}{
		"no export":                  {summaryName, false, pipeline.KindConfig, "folder that holds manifest-summary.json"},
		"no export, no list":         {summaryName, true, pipeline.KindAuth, "without s3:ListBucket S3 answers 403"},
		"no list of files":           {filesName, false, pipeline.KindFatal, "restore it"},
		"data file missing":          {"data/b.json.gz", false, pipeline.KindFatal, "restore it from the bucket"},
		"data file missing, no list": {"data/b.json.gz", true, pipeline.KindAuth, "without s3:ListBucket S3 answers 403"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, newExport("", three()).keys(folder))
			s.noList = test.noList
			s.remove(folder + "/" + test.absent)
			store := must[*objectstore.Store](t)(s.store(t.Context(), "s3://"+folder))
			defer store.Close()
			_, err := Open(t.Context(), Options{Bucket: store, StateDir: t.TempDir()})
			if err == nil {
				t.Fatal("accepted")
			}
			if pipeline.KindOf(err) != test.kind || !strings.Contains(pipeline.HintOf(err), test.hint) {
				t.Errorf("kind %d, want %d: %v; hint %q", pipeline.KindOf(err), test.kind, err, pipeline.HintOf(err))
			}
			if !strings.Contains(err.Error(), "s3://"+folder+"/"+test.absent) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestRemovedBeforeDownload(t *testing.T) {
	f := newBucketFixture(t, three())
	source := must[pipeline.Source](t)(f.Open(t.Context(), nil))
	f.Remove("c.json.gz")
	_, err := source.Stage(t.Context(), 0)
	if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(pipeline.HintOf(err), "restore it") || !strings.Contains(err.Error(), "c.json.gz") {
		t.Errorf("got %v", err)
	}
}

func TestBucketThatWasNotOpened(t *testing.T) {
	if _, err := openExport(t, "s3://bulk/p"); err == nil || !strings.Contains(err.Error(), "no bucket") {
		t.Errorf("got %v", err)
	}
}
