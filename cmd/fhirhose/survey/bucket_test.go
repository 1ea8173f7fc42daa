package survey

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
)

func TestLookAtBuckets(t *testing.T) {
	const kms = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>" +
		"<SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
	lifecycle := func(action string) string {
		return "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/>" + action + "</Rule></LifecycleConfiguration>"
	}
	for name, c := range map[string]struct {
		name      string
		configure map[string]string
		owner     string
		want      string // of proofs, what is unseen, warnings and problems, one a line
	}{
		"plain source":   {"source", nil, "", ""},
		"source's owner": {"source", nil, "123", "the bucket of the source belongs to source.expected_bucket_owner"},
		"plain sink": {
			"sink", nil, "",
			"the bucket of the sink blocks public access\nthe bucket of the sink has no default encryption",
		},
		"public sink": {
			"sink",
			map[string]string{"publicAccessBlock": "NoSuchPublicAccessBlockConfiguration", "encryption": kms},
			"",
			"by default the sink encrypts\nthe bucket of the sink does not block all public access, and will hold PHI: aws s3api put-public-access-block --bucket b\nno S3 bucket key",
		},
		"encrypted sink": {
			"sink",
			map[string]string{"encryption": kms},
			"",
			"the bucket of the sink blocks public access\nby default the sink encrypts with aws:kms\nno S3 bucket key",
		},
		"other region": {
			"sink",
			map[string]string{"region": "eu-west-1"},
			"",
			"look at b: the bucket lies in eu-west-1, but the job would ask in us-east-1",
		},
		"uploads aborted": {
			"sink",
			map[string]string{"encryption": kms, "lifecycle": lifecycle(
				"<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>")},
			"",
			"the bucket of the sink blocks public access\nencrypts with\naborts uploads to the sink after 2 days\nno S3 bucket key",
		},
		"uploads aborted late": {
			"source", map[string]string{"lifecycle": lifecycle(
				"<AbortIncompleteMultipartUpload><DaysAfterInitiation>30</DaysAfterInitiation></AbortIncompleteMultipartUpload>")}, "", "",
		},
		"expiry": {
			"source",
			map[string]string{"lifecycle": lifecycle("<Expiration><Days>3</Days></Expiration>")},
			"",
			"removes the objects of the source 3 days after they were made",
		},
		"refused": {
			"sink",
			map[string]string{"lifecycle": "AccessDenied", "encryption": "AccessDenied", "publicAccessBlock": "AccessDenied"},
			"",
			"the lifecycle rules of the sink, which may remove files: access denied\nwhether the bucket of the sink blocks public access (s3:GetBucketPublicAccessBlock): access denied\nthe default encryption of the sink: access denied",
		},
		"no ListBucket": {
			"source",
			map[string]string{"region": "AccessDenied"},
			"123",
			"the bucket of the source: access denied (S3 says Forbidden, status 403)\nmay belong to another account\nwithout s3:ListBucket",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := lookedAt(t, c.name, c.owner, c.configure)
			said := append(append(append([]string{}, r.Probes...), r.Unseen...), r.Warnings...)
			for _, err := range r.Errors() {
				said = append(said, err.Error())
				if pipeline.HintOf(err) != "set sink.region: eu-west-1" {
					t.Errorf("hint %q", pipeline.HintOf(err))
				}
			}
			want := strings.FieldsFunc(c.want, func(c rune) bool { return c == '\n' })
			if len(said) != len(want) {
				t.Fatalf("said %q, want %q", said, want)
			}
			for i := range want {
				if !strings.Contains(said[i], want[i]) {
					t.Errorf("said %q, want %q", said[i], want[i])
				}
			}
		})
	}
}

func lookedAt(t *testing.T, name, owner string, configure map[string]string) *Result {
	t.Helper()
	memory := objecttest.NewMemory()
	for what, answer := range configure {
		memory.Configure(what, answer)
	}
	server := httptest.NewServer(memory)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "b", Prefix: "p"}, objectstore.Options{
		Region: "us-east-1", PathStyle: true, ExpectedBucketOwner: owner, MaxBackoff: time.Millisecond,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	r := &Result{}
	if b := (Bucket{Store: store, Name: name, Owner: owner}); name == "sink" {
		r.LookAtSink(t.Context(), b)
	} else {
		r.LookAtSource(t.Context(), b)
	}
	return r
}

// TestJudgeRegions: each bucket and each key that lies elsewhere is named.
func TestJudgeRegions(t *testing.T) {
	const here, there = "us-east-1", "eu-west-1"
	in := func(name, region string) Bucket {
		memory := objecttest.NewMemory()
		memory.Configure("region", region)
		return Bucket{Store: contentsStore(t, memory, "p"), Name: name}
	}
	key := func(region string) Key {
		return Key{"sink.kms_key", "arn:aws:kms:" + region + ":123456789012:key/k"}
	}
	for name, o := range map[string]struct {
		keys    []Key
		buckets []Bucket
		want    string
		proved  bool
	}{
		"all here":     {[]Key{key(here)}, []Bucket{in("sink", here), in("results", here), in("verification", here)}, "", true},
		"sink":         {nil, []Bucket{in("sink", there), in("results", here)}, "the bucket of the sink lies in eu-west-1, and the data store in us-east-1", false},
		"results":      {nil, []Bucket{in("sink", here), in("results", there)}, "the bucket of the results lies in eu-west-1, and the data store in us-east-1", false},
		"verification": {nil, []Bucket{in("sink", here), in("verification", there)}, "the bucket of the verification lies in eu-west-1, and the data store in us-east-1", false},
		"key":          {[]Key{key(here), key(there)}, []Bucket{in("sink", here)}, "sink.kms_key: the key lies in eu-west-1, and the data store in us-east-1", false},
		"key's name":   {[]Key{{"sink.kms_key", "alias/k"}}, []Bucket{in("sink", here)}, "", true},
		"nobody knows": {nil, []Bucket{in("sink", "AccessDenied")}, "", false},
	} {
		var r Result
		r.JudgeRegions(t.Context(), here, o.keys, o.buckets...)
		said := ""
		for _, err := range r.Errors() {
			said += err.Error()
		}
		if (said == "") != (o.want == "") || !strings.Contains(said, o.want) || (len(r.Probes) == 1) != o.proved {
			t.Errorf("%s: said %q, proved %q", name, said, r.Probes)
		}
	}
}
