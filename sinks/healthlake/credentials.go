package healthlake

import (
	"context"
	"sync"

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

// bearer keeps the token of a SMART store.
type bearer struct {
	ask func(ctx context.Context, refused bool) (string, error)

	mu      sync.Mutex
	current string
	refused bool // current
}

func (b *bearer) token(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	token, err := b.ask(ctx, b.refused)
	if err != nil {
		return "", &credentialError{err}
	}
	b.current, b.refused = token, false
	return token, nil
}

// refuse tells that a token was refused, unless there is another by now.
func (b *bearer) refuse(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = b.refused || token == b.current
}
