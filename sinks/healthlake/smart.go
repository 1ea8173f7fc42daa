package healthlake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/fhirhose/fhirhose/awsconfig"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/tokens"
)

// HintGrant says how a SMART store is opened.
const HintGrant = "set HEALTHLAKE_SMART_CLIENT_ID and HEALTHLAKE_SMART_CLIENT_SECRET in the environment: a client with system scopes"

// systemScope is what a SMART store knows for all resources, to read and write.
const systemScope = "system/*.*"

// smart returns the tokens of a SMART store.
func (s *Store) smart(ctx context.Context) (*bearer, error) {
	grant := s.options.Grant
	if grant.Scope == "" {
		grant.Scope = systemScope
	}
	if grant.URL == "" {
		at, err := s.tokenURL(ctx)
		if err != nil {
			return nil, err
		}
		grant.URL = at
	}
	client := &http.Client{Transport: doer{s.http}, Timeout: attemptTimeout}
	if own, ok := s.http.(*awshttp.BuildableClient); ok { // which follows redirects
		client.Transport = own.GetTransport()
	}
	source := tokens.NewSource(grant.Ask(client, HintGrant))
	return newBearer(source.Token), nil
}

// tokenURL asks the data store, which needs no token for that. No secret goes where
// encryption is less than that of the store itself.
func (s *Store) tokenURL(ctx context.Context) (string, error) {
	const op = "read the SMART configuration of data store"
	a, err := s.get(ctx, op, ".well-known/smart-configuration", oneOf(200))
	if err != nil {
		return "", err
	}
	var configuration struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	_ = json.Unmarshal(a.body, &configuration) // what is no JSON names none
	scheme, host, _ := strings.Cut(configuration.TokenEndpoint, "://")
	if own, _, _ := strings.Cut(s.base, "://"); host == "" || scheme != "https" && scheme != own {
		return "", &pipeline.Error{
			Op: op, Object: s.options.Datastore, Kind: pipeline.KindConfig, Err: errors.New("it names no token endpoint, or one without encryption"),
			Hint: "correct the identity provider's metadata of the data store, or set HEALTHLAKE_SMART_OAUTH2_API_ENDPOINT",
		}
	}
	return configuration.TokenEndpoint, nil
}

// doer makes a transport of the client that all calls go through.
type doer struct{ client aws.HTTPClient }

func (d doer) RoundTrip(r *http.Request) (*http.Response, error) { return d.client.Do(r) }

// tokenError is why there is no token: refused for good, no connection, or what
// somebody may mend meanwhile.
func tokenError(err error) error {
	_, final := errors.AsType[*pipeline.Error](err)
	_, isURL := errors.AsType[*url.Error](err)
	if final || isURL {
		return err
	}
	return &awsconfig.CredentialError{Err: err}
}

// bearer keeps the token of a SMART store.
type bearer struct {
	ask func(ctx context.Context, refused bool) (string, error)

	turn    chan struct{} // of capacity 1, to use what follows
	current string
	refused bool // current
}

func newBearer(ask func(ctx context.Context, refused bool) (string, error)) *bearer {
	return &bearer{ask: ask, turn: make(chan struct{}, 1)}
}

func (b *bearer) token(ctx context.Context) (string, error) {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-b.turn }()
	token, err := b.ask(ctx, b.refused)
	if err != nil {
		return "", tokenError(err)
	}
	b.current, b.refused = token, false
	return token, nil
}

// refuse tells that a token was refused, unless there is another by now.
func (b *bearer) refuse(token string) {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	b.refused = b.refused || token == b.current
}
