package awsconfig_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/fhirhose/fhirhose/awsconfig"
	"github.com/fhirhose/fhirhose/pipeline"
)

// TestLoad: credentials are read anew once they are invalidated, an HTTP client is
// always there, and that there are no credentials is said as such.
func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(id string) {
		t.Helper()
		content := "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = s\n"
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_CONFIG_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": "",
	} {
		t.Setenv(name, value)
	}
	write("first")
	cfg, credentials, err := awsconfig.Load(t.Context(), "")
	if err != nil || cfg.HTTPClient == nil || cfg.Region != "eu-west-1" {
		t.Fatalf("%v, client %v, region %q", err, cfg.HTTPClient, cfg.Region)
	}
	if cfg.Logger != (logging.Nop{}) { // the SDK's own writes URLs and keys to stderr
		t.Errorf("the logger is a %T", cfg.Logger)
	}
	other, _, err := awsconfig.Load(t.Context(), "us-east-2")
	if err != nil || other.Region != "us-east-2" {
		t.Errorf("%v, region %q", err, other.Region)
	}
	is := func(want string) {
		t.Helper()
		got, err := cfg.Credentials.Retrieve(t.Context())
		if err != nil || got.AccessKeyID != want {
			t.Errorf("%q, want %q: %v", got.AccessKeyID, want, err)
		}
	}
	is("first")
	write("second")
	is("first")
	credentials.Invalidate()
	is("second")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	credentials.Invalidate()
	_, err = cfg.Credentials.Retrieve(t.Context())
	if _, ok := errors.AsType[*awsconfig.CredentialError](err); !ok {
		t.Errorf("without credentials: %v", err)
	}
	t.Setenv("AWS_PROFILE", "none")
	if _, _, err := awsconfig.Load(t.Context(), ""); pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
		t.Errorf("no such profile: %v", err)
	}
}

// TestCode: what a server says is told only if AWS documents it (I10).
func TestCode(t *testing.T) {
	for code, want := range map[string]string{
		"NoSuchKey": "NoSuchKey", "SlowDown": "SlowDown", "ThrottlingException": "ThrottlingException",
		"KMS.DisabledException": "KMS.DisabledException", "JaneDoe": "", "": "", "nosuchkey": "",
	} {
		err := fmt.Errorf("put: %w", &smithy.GenericAPIError{Code: code, Message: "of Jane Doe"})
		if got := awsconfig.Code(err); got != want {
			t.Errorf("%q is told as %q", code, got)
		}
	}
	if got := awsconfig.Code(os.ErrNotExist); got != "" {
		t.Errorf("%q", got)
	}
}
