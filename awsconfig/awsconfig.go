// Package awsconfig reads the AWS configuration for every room that speaks to AWS.
package awsconfig

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Load reads the SDK's default chain: environment, files, the instance's role. The
// region "" is the chain's. It connects to nothing unless the chain does.
//
// The configuration has an HTTP client, no logger (the SDK's messages carry URLs and
// keys, I10), and the credentials that are also returned: they ask the chain anew
// whenever they are invalidated or expire, so that an operator who logs in again, or
// rewrites a file, is noticed without a restart. That none can be had is a
// [CredentialError]. Errors of Load are KindConfig.
func Load(ctx context.Context, region string) (aws.Config, *aws.CredentialsCache, error) {
	cfg, err := load(ctx, region)
	if err != nil {
		return cfg, nil, &pipeline.Error{
			Op: "load AWS configuration", Kind: pipeline.KindConfig, Err: errors.New("it cannot be read"),
			Hint: "check AWS_PROFILE, AWS_REGION and the files in ~/.aws",
		}
	}
	credentials := aws.NewCredentialsCache(renewing(cfg.Credentials, region))
	cfg.Credentials = credentials
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	return cfg, credentials, nil
}

func load(ctx context.Context, region string) (aws.Config, error) {
	return config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithLogger(logging.Nop{}))
}

// renewing asks the chain anew each time. The first answer is that of the chain that
// Load has read.
func renewing(loaded aws.CredentialsProvider, region string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		provider := loaded
		loaded = nil // the cache calls this function one at a time
		if provider == nil {
			cfg, err := load(ctx, region)
			if err != nil {
				return aws.Credentials{}, &CredentialError{err}
			}
			provider = cfg.Credentials
		}
		credentials, err := provider.Retrieve(ctx)
		if err != nil {
			return aws.Credentials{}, &CredentialError{err}
		}
		return credentials, nil
	})
}

// CredentialError marks a failure to get credentials, which the SDK does not tell
// from others. Its text says no more: what it wraps may carry URLs.
type CredentialError struct{ Err error }

func (e *CredentialError) Error() string { return "no credentials" }

// Unwrap implements errors.Unwrap.
func (e *CredentialError) Unwrap() error { return e.Err }
