package objectstore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// renewing asks the default chain anew whenever credentials are needed again:
// an operator who logs in again, or rewrites a file, is noticed without a
// restart. The first answer is that of the chain that Open has loaded.
func renewing(first aws.CredentialsProvider, o Options) aws.CredentialsProvider {
	loaded := first
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		provider := loaded
		loaded = nil // the cache calls this function one at a time
		if provider == nil {
			cfg, err := loadConfig(ctx, o)
			if err != nil {
				return aws.Credentials{}, &credentialError{err}
			}
			provider = cfg.Credentials
		}
		credentials, err := provider.Retrieve(ctx)
		if err != nil {
			return aws.Credentials{}, &credentialError{err}
		}
		return credentials, nil
	})
}

// credentialError marks a failure to get credentials, which the SDK does not
// tell from others.
type credentialError struct{ err error }

func (e *credentialError) Error() string { return "no credentials" }
func (e *credentialError) Unwrap() error { return e.err }
