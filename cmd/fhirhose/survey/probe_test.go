package survey

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
)

// lookAlikeOf is an S3 in front of which something changes or refuses calls.
func lookAlikeOf(memory http.Handler, change func(http.ResponseWriter, *http.Request) (done bool)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change == nil || !change(w, r) {
			memory.ServeHTTP(w, r)
		}
	})
}

func without(header string, calls ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		if len(calls) == 0 || slices.Contains(calls, objecttest.Call(r)) {
			r.Header.Del(header)
		}
		return false
	}
}

func refusing(status int, match func(*http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if match(r) {
			w.WriteHeader(status)
		}
		return match(r)
	}
}

func has(header string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get(header) != "" }
}

func bucketAt(t *testing.T, url string, o objectstore.Options) Bucket {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ENDPOINT_URL_S3", url)
	o.Region, o.MaxBackoff = "us-east-1", time.Millisecond
	store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "bucket", Prefix: "p"}, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return Bucket{Store: store, Name: "sink"}
}

// TestProbeSink: each way in which a look-alike differs is said, with the switch
// that helps, and nothing is left in the bucket.
func TestProbeSink(t *testing.T) {
	const written, keeps, sums = "one object was written to the sink and deleted", "refuses to replace", "refuses bytes that do not match"
	for name, c := range map[string]struct {
		change        func(http.ResponseWriter, *http.Request) bool
		unconditional bool
		checksums     string
		want          []string // of proofs, what is unseen, warnings
		hint          string   // of the problem
	}{
		"S3":                  {nil, false, "", []string{keeps, sums, written}, ""},
		"needlessly careless": {nil, true, "", []string{sums, written, "conditional_writes: true would guard"}, ""},
		"ignores conditions": {
			without("If-None-Match"), false, "", []string{sums, written}, "conditional_writes: false",
		},
		"ignores them for uploads": {
			without("If-None-Match", "COMPLETE"), false, "", []string{sums, written}, "conditional_writes: false",
		},
		"ignores conditions, as known": {
			without("If-None-Match"), true, "", []string{"ignores conditional writes, as", sums, written}, "",
		},
		"refuses conditions": {
			refusing(http.StatusNotImplemented, has("If-None-Match")), false, "", nil, "conditional_writes: false",
		},
		"refuses conditions, as known": {
			refusing(http.StatusNotImplemented, has("If-None-Match")), true, "", []string{sums, written, "whether the sink refuses to replace"}, "",
		},
		"ignores checksums": {
			without("X-Amz-Checksum-Sha256"), false, "", []string{keeps, written, "stores bytes that do not match"}, "",
		},
		"refuses checksums": {
			refusing(http.StatusBadRequest, has("X-Amz-Checksum-Sha256")), false, "", nil, "request_checksums: when_required",
		},
		"refuses checksums, as known": {
			refusing(http.StatusBadRequest, has("X-Amz-Checksum-Sha256")), false, "when_required", []string{keeps, written, "no checksum is sent"}, "",
		},
		"no write": {
			refusing(http.StatusForbidden, func(r *http.Request) bool { return r.Method == http.MethodPut }), false, "", nil, "s3:PutObject",
		},
	} {
		t.Run(name, func(t *testing.T) {
			memory := objecttest.NewMemory()
			server := httptest.NewServer(lookAlikeOf(memory, c.change))
			t.Cleanup(server.Close)
			r := &Result{}
			r.ProbeSink(t.Context(), bucketAt(t, server.URL, objectstore.Options{PathStyle: true, RequestChecksums: c.checksums}), !c.unconditional)
			r.holds(t, c.want, c.hint)
			if len(memory.Objects())+len(memory.Uploads()) > 0 {
				t.Errorf("left behind: %q, %q", memory.Objects(), memory.Uploads())
			}
		})
	}
}

// holds compares what was said with what is wanted, in order, and the hint of
// the only problem.
func (r *Result) holds(t *testing.T, want []string, hint string) {
	t.Helper()
	said := slices.Concat(r.Probes, r.Unseen, r.Warnings)
	if len(said) != len(want) {
		t.Fatalf("said %q, want %q", said, want)
	}
	for i := range want {
		if !strings.Contains(said[i], want[i]) {
			t.Errorf("said %q, want %q", said[i], want[i])
		}
	}
	if hint == "" != (len(r.Problems) == 0) || len(r.Problems) > 1 {
		t.Fatalf("problems %v", r.Problems)
	}
	if hint != "" && !strings.Contains(pipeline.HintOf(r.Errors()[0]), hint) {
		t.Errorf("hint %q, want %q", r.Problems[0].Hint, hint)
	}
}

// TestProbeLeavesNothing: whichever call loses its answer, or is refused,
// nothing stays, unless it is one of the clean-up, which is said.
func TestProbeLeavesNothing(t *testing.T) {
	for _, fault := range []objecttest.Fault{objecttest.Lost, objecttest.ServerError} {
		for n, reached := 1, true; reached; n++ {
			memory := objecttest.NewMemory()
			faults := objecttest.NewFaults(memory)
			server := httptest.NewServer(faults)
			t.Cleanup(server.Close)
			at, cleaning := 0, false
			faults.Decide(func(r *http.Request) objecttest.Fault {
				if at++; at != n {
					return objecttest.NoFault
				}
				cleaning = slices.Contains([]string{"DELETE", "ABORT"}, objecttest.Call(r))
				return fault
			})
			r := &Result{}
			r.ProbeSink(t.Context(), bucketAt(t, server.URL, objectstore.Options{PathStyle: true, Attempts: 1}), true)
			_, injected := faults.Counts()
			if reached = injected[fault] > 0; !reached && n < 8 {
				t.Fatalf("only %d calls", n-1)
			}
			if cleaning != slices.ContainsFunc(r.Warnings, func(s string) bool { return strings.Contains(s, "may still be in the sink") }) {
				t.Errorf("%s at call %d: %q", fault, n, r.Warnings)
			}
			if !cleaning && len(memory.Objects())+len(memory.Uploads()) > 0 {
				t.Errorf("%s at call %d: left behind %q, %q", fault, n, memory.Objects(), memory.Uploads())
			}
		}
	}
}

// TestProbeOfAVersionedBucket: what a deletion leaves there is said.
func TestProbeOfAVersionedBucket(t *testing.T) {
	memory := objecttest.NewMemory()
	memory.Configure("versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
	server := httptest.NewServer(memory)
	t.Cleanup(server.Close)
	r := &Result{}
	r.ProbeSink(t.Context(), bucketAt(t, server.URL, objectstore.Options{PathStyle: true}), true)
	r.holds(t, []string{"", "", "keeps old versions, and so those of the write probe: delete them under p/_fhirhose/write-probe-"}, "")
}

// TestMain is a proxy for two services, whose names are not looked up then:
// path.test knows buckets in the path alone, host.test in the host name alone.
// Go reads HTTP_PROXY once, before the first request.
func TestMain(m *testing.M) {
	proxy := httptest.NewServer(lookAlikeOf(objecttest.NewMemory(), refusing(http.StatusNotFound, func(r *http.Request) bool {
		return r.Host != "path.test" && r.Host != "bucket.host.test"
	})))
	_ = os.Setenv("HTTP_PROXY", proxy.URL)
	code := m.Run()
	proxy.Close()
	os.Exit(code)
}

// TestOtherStyle: a bucket that answers only in the style that was not chosen.
func TestOtherStyle(t *testing.T) {
	for _, c := range []struct {
		service   string
		pathStyle bool
		want      []string
		hint      string
	}{
		{"http://path.test", true, []string{"blocks public access", "no default encryption"}, ""},
		{"http://path.test", false, nil, "set sink.s3.path_style: true"},
		{"http://host.test", true, nil, "set sink.s3.path_style: false"},
		{"http://nowhere.test", true, []string{"the bucket of the sink: not found"}, ""},
	} {
		r := &Result{}
		r.LookAtSink(t.Context(), bucketAt(t, c.service, objectstore.Options{PathStyle: c.pathStyle}))
		t.Run(fmt.Sprint(c.service, c.pathStyle), func(t *testing.T) { r.holds(t, c.want, c.hint) })
	}
}

// TestArchive: what lies in an archive is found for every object that is looked
// at, and what is restored can be read.
func TestArchive(t *testing.T) {
	memory := objecttest.NewMemory()
	objects := map[string]map[string]string{
		"plain":    {},
		"instant":  {"Storage-Class": "GLACIER_IR"},
		"tiered":   {"Storage-Class": "INTELLIGENT_TIERING"},
		"restored": {"Storage-Class": "GLACIER", "Restore": `ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"`},
		"cold":     {"Storage-Class": "GLACIER"},
		"thawing":  {"Storage-Class": "GLACIER", "Restore": `ongoing-request="true"`},
		"deep":     {"Storage-Class": "DEEP_ARCHIVE"},
		"asleep":   {"Storage-Class": "INTELLIGENT_TIERING", "Archive-Status": "ARCHIVE_ACCESS"},
	}
	server := httptest.NewServer(lookAlikeOf(memory, func(w http.ResponseWriter, r *http.Request) bool {
		for name, value := range objects[strings.TrimPrefix(r.URL.Path, "/bucket/p/")] {
			w.Header().Set("X-Amz-"+name, value)
		}
		return false
	}))
	t.Cleanup(server.Close)
	heads := &Heads{Store: bucketAt(t, server.URL, objectstore.Options{PathStyle: true}).Store}
	r := &Result{}
	if !r.JudgeArchive(heads) || len(r.Problems) > 0 {
		t.Error("nothing was looked at")
	}
	for name := range objects {
		memory.Put("p/"+name, []byte(name))
		for range 2 { // counted once
			if _, err := heads.Head(t.Context(), "p/"+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r.JudgeArchive(heads) {
		t.Error("all can be read")
	}
	r.holds(t, nil, "restore the objects")
	if want := "4 objects (GLACIER 2, DEEP_ARCHIVE 1, INTELLIGENT_TIERING ARCHIVE_ACCESS 1)"; !strings.Contains(r.Problems[0].Error, want) {
		t.Errorf("%s, want %s", r.Problems[0].Error, want)
	}
}
