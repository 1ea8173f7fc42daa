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
			"the bucket of the sink has no default encryption",
		},
		"encrypted sink": {
			"sink",
			map[string]string{"encryption": kms},
			"",
			"by default the sink encrypts with aws:kms\nno S3 bucket key",
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
			"encrypts with\naborts uploads to the sink after 2 days\nno S3 bucket key",
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
			map[string]string{"lifecycle": "AccessDenied", "encryption": "AccessDenied"},
			"",
			"the lifecycle rules of the sink, which may remove files: access denied\nthe default encryption of the sink: access denied",
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
