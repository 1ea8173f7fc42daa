package healthlake

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

func loadConfig(ctx context.Context, region string) (aws.Config, error) {
	var settings []func(*config.LoadOptions) error
	if region != "" {
		settings = append(settings, config.WithRegion(region))
	}
	return config.LoadDefaultConfig(ctx, settings...)
}

// renewing asks the default chain anew whenever credentials are needed again:
// an operator who logs in again, or rewrites a file, is noticed without a
// restart. The first answer is that of the chain that Open has loaded.
func renewing(loaded aws.CredentialsProvider, region string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		provider := loaded
		loaded = nil // the cache calls this function one at a time
		if provider == nil {
			cfg, err := loadConfig(ctx, region)
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
