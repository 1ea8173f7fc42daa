package objectstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a bucket in memory, a server that can fail in front of it, and what
// the observer was told.
type rig struct {
	memory *objecttest.Memory
	faults *objecttest.Faults
	store  *objectstore.Store

	mu      sync.Mutex
	retries map[objectstore.Cause]int
}

func newRig(t *testing.T, o objectstore.Options) *rig {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	r := &rig{memory: objecttest.NewMemory(), retries: map[objectstore.Cause]int{}}
	r.faults = objecttest.NewFaults(r.memory)
	server := httptest.NewServer(r.faults)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	o.PathStyle, o.MaxBackoff = true, time.Millisecond
	if o.Region == "" {
		o.Region = "eu-west-1"
	}
	store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "b"}, o, func(cause objectstore.Cause, _ time.Duration) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.retries[cause]++
	})
	check(t, err)
	t.Cleanup(store.Close)
	r.store = store
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (try: %s)", err, pipeline.HintOf(err))
	}
}

func (r *rig) put(ctx context.Context, key, content string, o objectstore.WriteOptions) error {
	sum := sha256.Sum256([]byte(content))
	return r.store.Put(ctx, key, strings.NewReader(content), int64(len(content)), base64.StdEncoding.EncodeToString(sum[:]), o)
}

var anyCall = func(*http.Request) bool { return true }

// Each transient fault is survived, and told under its cause.
func TestRetriesByCause(t *testing.T) {
	for fault, cause := range map[objecttest.Fault]objectstore.Cause{
		objecttest.SlowDown:    objectstore.Throttle,
		objecttest.ServerError: objectstore.ServerError,
		objecttest.Expired:     objectstore.ExpiredToken,
		objecttest.Reset:       objectstore.Reset,
		objecttest.Lost:        objectstore.Reset,
		objecttest.Truncated:   objectstore.Reset,
		objecttest.Stall:       objectstore.Timeout,
	} {
		t.Run(string(fault), func(t *testing.T) {
			r := newRig(t, objectstore.Options{IdleTimeout: impatient(fault)})
			r.memory.Put("k", []byte("some content"))
			r.faults.Decide(objecttest.Once(fault, anyCall))
			content, err := r.store.Get(t.Context(), "k", 100)
			check(t, err)
			if string(content) != "some content" {
				t.Errorf("got %q", content)
			}
			once := r.retries[cause] == 1 || fault == objecttest.Stall && r.retries[cause] > 1 // as this machine is slow
			if len(r.retries) != 1 || !once {
				t.Errorf("told %v, want one %s", r.retries, cause)
			}
		})
	}
}

// impatient is an idle timeout that only a stall meets: a slow machine must not.
func impatient(fault objecttest.Fault) time.Duration {
	if fault == objecttest.Stall {
		return 100 * time.Millisecond
	}
	return 0
}

// A fault that stays ends the call after a bounded number of attempts, with a
// kind, a hint, and nothing of what the server said (I10).
func TestFaultsThatStay(t *testing.T) {
	for fault, want := range map[objecttest.Fault]pipeline.Kind{
		objecttest.SlowDown:    pipeline.KindRetryLater,
		objecttest.ServerError: pipeline.KindRetryLater,
		objecttest.Expired:     pipeline.KindAuth,
		objecttest.Reset:       pipeline.KindRetryLater,
		objecttest.Truncated:   pipeline.KindRetryLater,
		objecttest.Stall:       pipeline.KindRetryLater,
	} {
		t.Run(string(fault), func(t *testing.T) {
			r := newRig(t, objectstore.Options{IdleTimeout: impatient(fault), CredentialPatience: 100 * time.Millisecond, Attempts: 3})
			r.memory.Put("k", []byte("some content"))
			r.faults.Decide(func(*http.Request) objecttest.Fault { return fault })
			_, err := r.store.Get(t.Context(), "k", 100)
			wantFault(t, err, want)
			if calls, _ := r.faults.Counts(); calls > 9 {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

func wantFault(t *testing.T, err error, want pipeline.Kind) {
	t.Helper()
	if pipeline.KindOf(err) != want || pipeline.HintOf(err) == "" {
		t.Errorf("kind %d, want %d, hint %q: %v", pipeline.KindOf(err), want, pipeline.HintOf(err), err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, secret := range []string{objecttest.ServerText, "127.0.0.1", "http", "secret"} {
			if text := fmt.Sprintf("%v %+v", e, e); strings.Contains(text, secret) {
				t.Errorf("the error tells %q: %s", secret, text)
			}
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		want   pipeline.Kind
		is     error
	}{
		{403, "AccessDenied", pipeline.KindAuth, nil},
		{403, "InvalidAccessKeyId", pipeline.KindAuth, nil},
		{403, "SignatureDoesNotMatch", pipeline.KindAuth, nil},
		{403, "RequestTimeTooSkewed", pipeline.KindAuth, nil},
		{404, "NoSuchKey", pipeline.KindFatal, objectstore.ErrNotFound},
		{404, "NoSuchBucket", pipeline.KindConfig, nil},
		{404, "NoSuchUpload", pipeline.KindFatal, objectstore.ErrNoUpload},
		{412, "PreconditionFailed", pipeline.KindFatal, objectstore.ErrPrecondition},
		{301, "PermanentRedirect", pipeline.KindConfig, nil},
		{400, "AuthorizationHeaderMalformed", pipeline.KindConfig, nil},
		{400, "KMS.DisabledException", pipeline.KindConfig, nil},
		{403, "InvalidObjectState", pipeline.KindFatal, nil},
		{400, "InvalidPart", pipeline.KindFatal, nil},
		{501, "NotImplemented", pipeline.KindFatal, nil},
		{400, "secret words", pipeline.KindFatal, nil},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "id")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(test.status)
				_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", test.code, objecttest.ServerText)
			}))
			t.Cleanup(server.Close)
			t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
			store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "b"}, objectstore.Options{
				Region: "eu-west-1", PathStyle: true, Attempts: 1,
			}, nil)
			check(t, err)
			t.Cleanup(store.Close)
			_, err = store.Get(t.Context(), "k", 100)
			wantFault(t, err, test.want)
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	r := newRig(t, objectstore.Options{Attempts: 2})
	server := httptest.NewServer(http.NotFoundHandler())
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	server.Close()
	store, err := objectstore.Open(t.Context(), r.store.Location(), objectstore.Options{Region: "x", PathStyle: true, Attempts: 2, MaxBackoff: time.Millisecond}, nil)
	check(t, err)
	_, err = store.Head(t.Context(), "k")
	wantFault(t, err, pipeline.KindRetryLater)
}

// A cancelled context is not a fault of S3.
func TestCancel(t *testing.T) {
	r := newRig(t, objectstore.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	r.faults.Decide(func(*http.Request) objecttest.Fault { cancel(); return objecttest.Stall })
	_, err := r.store.Get(ctx, "k", 100)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(r.retries) > 0 {
		t.Errorf("retried %v", r.retries)
	}
}

func TestConditionalPut(t *testing.T) {
	r := newRig(t, objectstore.Options{})
	conditional := objectstore.WriteOptions{Conditional: true}
	check(t, r.put(t.Context(), "k", "first", conditional))
	if err := r.put(t.Context(), "k", "second", conditional); !errors.Is(err, objectstore.ErrPrecondition) {
		t.Errorf("got %v", err)
	}
	info, err := r.store.Head(t.Context(), "k")
	check(t, err)
	if info.Size != 5 || info.SHA256 == "" {
		t.Errorf("got %+v", info)
	}
	check(t, r.store.Delete(t.Context(), "k"))
	if _, err := r.store.Head(t.Context(), "k"); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// What is sent says who owns the bucket and how it is encrypted, and carries
// the checksums of the caller; bodies are never aws-chunked.
func TestHeaders(t *testing.T) {
	for _, checksums := range []string{"when_supported", "when_required"} {
		r := newRig(t, objectstore.Options{ExpectedBucketOwner: "111122223333", RequestChecksums: checksums})
		seen := map[string]http.Header{}
		r.faults.Decide(func(q *http.Request) objecttest.Fault {
			seen[objecttest.Call(q)] = q.Header.Clone()
			return objecttest.NoFault
		})
		o := objectstore.WriteOptions{KMSKey: "arn:aws:kms:k", Conditional: true}
		check(t, r.put(t.Context(), "k", "content", o))
		id, sure, err := r.store.CreateUpload(t.Context(), "m", o)
		check(t, err)
		if !sure {
			t.Error("one call is enough, but not sure")
		}
		part := []byte("part")
		crc := objectstore.CRC(0).Add(part)
		p, err := r.store.UploadPart(t.Context(), "m", id, 1, bytes.NewReader(part), 4, crc.Base64())
		check(t, err)
		check(t, r.store.CompleteUpload(t.Context(), "m", id, []objectstore.Part{p}, 4, crc.Base64(), o))
		for call, names := range map[string][]string{
			"PUT":      {"If-None-Match", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"},
			"CREATE":   {"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"},
			"PART":     {},
			"COMPLETE": {"If-None-Match"},
		} {
			h := seen[call]
			for _, name := range append(names, "X-Amz-Expected-Bucket-Owner") {
				if h.Get(name) == "" {
					t.Errorf("%s has no %s", call, name)
				}
			}
			if strings.Contains(h.Get("Content-Encoding"), "aws-chunked") || h.Get("X-Amz-Trailer") != "" {
				t.Errorf("%s is aws-chunked", call)
			}
			sent := h.Get("X-Amz-Checksum-Sha256") + h.Get("X-Amz-Checksum-Crc64nvme") + h.Get("X-Amz-Checksum-Algorithm")
			if (sent != "") != (checksums == "when_supported") {
				t.Errorf("%s with %s has checksum %q", call, checksums, sent)
			}
			if call != "PUT" && call != "PART" {
				continue
			}
			// A body is covered by the signature, or by a checksum that is.
			unsigned := h.Get("X-Amz-Content-Sha256") == "UNSIGNED-PAYLOAD"
			if unsigned != strings.Contains(h.Get("Authorization"), ";x-amz-checksum-") {
				t.Errorf("%s: unsigned payload %t, signed headers %s", call, unsigned, h.Get("Authorization"))
			}
		}
	}
}

func TestGetIsBounded(t *testing.T) {
	r := newRig(t, objectstore.Options{})
	r.memory.Put("k", make([]byte, 11))
	if _, err := r.store.Get(t.Context(), "k", 10); pipeline.KindOf(err) != pipeline.KindFatal {
		t.Errorf("got %v", err)
	}
	content, err := r.store.Get(t.Context(), "k", 11)
	if err != nil || len(content) != 11 {
		t.Errorf("got %d bytes, %v", len(content), err)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]objectstore.Location{
		"s3://b":         {Bucket: "b"},
		"s3://b/":        {Bucket: "b"},
		"s3://b/p/q":     {Bucket: "b", Prefix: "p/q"},
		"s3://b/p/q///":  {Bucket: "b", Prefix: "p/q"},
		"s3://a.b-c/p=1": {Bucket: "a.b-c", Prefix: "p=1"},
	} {
		got, err := objectstore.Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "b/p", "s3:/b", "s3://", "s3:///p", "https://b/p", "s3://u:p@b/k"} {
		if _, err := objectstore.Parse(text); pipeline.KindOf(err) != pipeline.KindConfig {
			t.Errorf("%q: got %v", text, err)
		}
	}
	at := objectstore.Location{Bucket: "b", Prefix: "p"}
	if at.Key("k") != "p/k" || at.Join("q").String() != "s3://b/p/q" || (objectstore.Location{Bucket: "b"}).Join("q").Key("k") != "q/k" {
		t.Error("keys are joined wrongly")
	}
}

// Expired credentials are asked for again; what an operator has renewed in the
// meantime is used without a restart.
func TestRenewedCredentials(t *testing.T) {
	r := newRig(t, objectstore.Options{CredentialPatience: 4 * time.Second})
	r.memory.Put("k", []byte("content"))
	renewed := false
	r.faults.Decide(func(q *http.Request) objecttest.Fault {
		if strings.Contains(q.Header.Get("Authorization"), "Credential=fresh/") {
			renewed = true
			return objecttest.NoFault
		}
		t.Setenv("AWS_ACCESS_KEY_ID", "fresh")
		return objecttest.Expired
	})
	content, err := r.store.Get(t.Context(), "k", 100)
	check(t, err)
	if !renewed || string(content) != "content" {
		t.Errorf("renewed %v, got %q", renewed, content)
	}
}

func TestBandwidth(t *testing.T) {
	const size, burst = 300 << 10, 1 << 20
	limit := rate.NewLimiter(1, burst) // what is used comes back byte by byte, however slow this machine is
	r := newRig(t, objectstore.Options{Bandwidth: limit})
	r.memory.Put("k", make([]byte, size))
	check(t, r.store.Stream(t.Context(), "k", "", func(body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	}))
	check(t, r.store.Put(t.Context(), "l", bytes.NewReader(make([]byte, size)), size, "", objectstore.WriteOptions{}))
	const headers = 64 << 10 // at most, and then some
	if used := burst - limit.Tokens(); used < 2*size-headers || used > 2*size+headers {
		t.Errorf("%d bytes each way used %.0f of the bound", size, used)
	}
	if got := objectstore.NewBandwidth(1 << 20); got.Limit() != 1<<20 || got.Burst() != 1<<20/10 {
		t.Errorf("limit %v, burst %d", got.Limit(), got.Burst())
	}
	if objectstore.NewBandwidth(0) != nil {
		t.Error("0 is a bound")
	}
}

// The answer to a HEAD has no body, so that S3 cannot say there that a token has
// expired: a GET asks.
func TestExpiredOnHead(t *testing.T) {
	r := newRig(t, objectstore.Options{CredentialPatience: time.Second})
	r.memory.Put("k", []byte("content"))
	for _, expired := range []int{1, 2} { // calls: the HEAD, or the GET too
		n := 0
		r.faults.Decide(func(*http.Request) objecttest.Fault {
			if n++; n <= expired {
				return objecttest.Expired
			}
			return objecttest.NoFault
		})
		info, err := r.store.Head(t.Context(), "k")
		check(t, err)
		if info.Size != 7 {
			t.Errorf("got %+v", info)
		}
	}
	if r.retries[objectstore.ExpiredToken] != 1 {
		t.Errorf("told %v", r.retries)
	}
}

// Where no region is set, the bucket is asked for its own.
func TestRegionOfTheBucket(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	for _, status := range []int{200, 301, 403} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "ap-south-1")
			if q.Method == http.MethodHead {
				w.WriteHeader(status)
				return
			}
			if strings.Contains(q.Header.Get("Authorization"), "/ap-south-1/s3/") {
				_, _ = io.WriteString(w, "right")
			}
		}))
		t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
		store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "b"}, objectstore.Options{PathStyle: true}, nil)
		check(t, err)
		content, err := store.Get(t.Context(), "k", 100)
		if err != nil || string(content) != "right" {
			t.Errorf("status %d: got %q, %v", status, content, err)
		}
		store.Close()
		server.Close()
	}
}

func FuzzParse(f *testing.F) {
	f.Add("s3://bucket/prefix/")
	f.Add("s3://b//a//")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := objectstore.Parse(text)
		if err != nil {
			return
		}
		again, err := objectstore.Parse(at.String())
		if err != nil || again != at {
			t.Errorf("%q reads as %+v, which reads as %+v, %v", text, at, again, err)
		}
	})
}
