package objectstore_test

import (
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
)

func look(t *testing.T) (*objecttest.Memory, *objectstore.Store) {
	t.Helper()
	memory := objecttest.NewMemory()
	server := httptest.NewServer(memory)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "b", Prefix: "p"}, objectstore.Options{
		Region: "us-east-1", PathStyle: true, MaxBackoff: time.Millisecond,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return memory, store
}

func wantLook[T comparable](t *testing.T, what string, got T, err error, want T) {
	t.Helper()
	if err != nil || got != want {
		t.Errorf("%s: %v, %v, want %v", what, got, err, want)
	}
}

func TestLooksAtABucketWithoutConfiguration(t *testing.T) {
	_, s := look(t)
	versions, err := s.Versions(t.Context())
	wantLook(t, "versions", versions, err, false)
	locked, err := s.Locked(t.Context())
	wantLook(t, "locked", locked, err, false)
	encryption, err := s.Encryption(t.Context())
	wantLook(t, "encryption", encryption, err, objectstore.Encryption{})
	rules, err := s.Lifecycle(t.Context())
	wantLook(t, "lifecycle", len(rules), err, 0)
	public, err := s.PublicAccess(t.Context())
	wantLook(t, "public access", public, err, false)
	lies, spoken, err := s.Region(t.Context())
	wantLook(t, "region", lies+" "+spoken, err, "us-east-1 us-east-1")
}

func TestLooksAtAConfiguredBucket(t *testing.T) {
	m, s := look(t)
	m.Configure("region", "eu-west-1")
	m.Configure("versioning", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>")
	m.Configure("object-lock", "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>")
	m.Configure("encryption", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"+
		"<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>key</KMSMasterKeyID></ApplyServerSideEncryptionByDefault>"+
		"<BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>")
	m.Configure("lifecycle", `<LifecycleConfiguration>
		<Rule><Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule>
		<Rule><Status>Enabled</Status><Filter><Prefix>p/</Prefix></Filter>
			<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>
		<Rule><Status>Enabled</Status><Prefix>old</Prefix><Expiration><Date>2027-01-02T00:00:00Z</Date></Expiration></Rule>
		<Rule><Status>Enabled</Status><Filter><And><Prefix>q</Prefix><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></And></Filter>
			<Expiration><Days>9</Days></Expiration></Rule>
		<Rule><Status>Enabled</Status><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Expiration><Days>1</Days></Expiration></Rule>
		<Rule><Status>Enabled</Status><Filter></Filter><Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>
	</LifecycleConfiguration>`)
	versions, err := s.Versions(t.Context())
	wantLook(t, "versions", versions, err, true)
	locked, err := s.Locked(t.Context())
	wantLook(t, "locked", locked, err, true)
	encryption, err := s.Encryption(t.Context())
	wantLook(t, "encryption", encryption, err, objectstore.Encryption{Algorithm: "aws:kms", KMSKey: "key", BucketKey: true})
	for _, answer := range []string{
		"NoSuchPublicAccessBlockConfiguration", "<PublicAccessBlockConfiguration/>",
		"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>" +
			"<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
	} {
		m.Configure("publicAccessBlock", answer)
		public, err := s.PublicAccess(t.Context())
		wantLook(t, answer, public, err, true)
	}
	lies, spoken, err := s.Region(t.Context())
	wantLook(t, "region", lies+" "+spoken, err, "eu-west-1 us-east-1")
	rules, err := s.Lifecycle(t.Context())
	want := []objectstore.LifecycleRule{
		{Prefix: "p/", AbortDays: 3},
		{Prefix: "old", ExpireDate: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)},
		{Prefix: "q", ExpireDays: 9},
	}
	if err != nil || !slices.Equal(rules, want) {
		t.Errorf("lifecycle: %v, %v, want %v", rules, err, want)
	}
	for prefix, touched := range map[string][3]bool{"p/job/": {true}, "": {true, true, true}, "older/": {false, true}, "x": {}} {
		for i, rule := range rules {
			if rule.Touches(prefix) != touched[i] {
				t.Errorf("rule %d and prefix %q", i, prefix)
			}
		}
	}
}

// TestRefusedLooks are told from what is not configured.
func TestRefusedLooks(t *testing.T) {
	m, s := look(t)
	for what, ask := range map[string]func() error{
		"versioning":  func() error { _, err := s.Versions(t.Context()); return err },
		"object-lock": func() error { _, err := s.Locked(t.Context()); return err },
		"encryption":  func() error { _, err := s.Encryption(t.Context()); return err },
		"lifecycle":   func() error { _, err := s.Lifecycle(t.Context()); return err },

		"publicAccessBlock": func() error { _, err := s.PublicAccess(t.Context()); return err },
	} {
		m.Configure(what, "AccessDenied")
		refused, ok := errors.AsType[*objectstore.Scrubbed](ask())
		if err := ask(); !ok || refused.Status != 403 || pipeline.KindOf(err) != pipeline.KindAuth {
			t.Errorf("%s: %v", what, err)
		}
	}
}
