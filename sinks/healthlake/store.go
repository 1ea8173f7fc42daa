package healthlake

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"
	"golang.org/x/time/rate"

	"github.com/fhirhose/fhirhose/awsconfig"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/tokens"
)

// Options say which data store, and how to speak to it.
type Options struct {
	Datastore string
	Region    string // "" is that of the AWS configuration

	// What a start of an import or export names.
	RoleARN    string
	Output     string // s3://bucket/prefix, below which each job has its own folder
	KMSKey     string
	Validation string // strict, structure-only or minimal; "" is the service's choice

	// Grant is what tokens of a SMART store are given for. Without its URL, the
	// store's SMART configuration names one. It counts for a SMART store alone, and
	// only without Token.
	Grant tokens.Grant
	// Token returns the bearer token of a SMART store, which is good for a while
	// yet, and another one if the last was refused. It is asked before each call,
	// one at a time. nil signs instead.
	Token func(ctx context.Context, refused bool) (string, error)

	RequestsPerSecond  float64       // of the REST API; 0 is 10
	Patience           time.Duration // how long one call is tried again; 0 is 15 minutes
	Settling           time.Duration // how long a start is tried again that the role or its settings do not let in; 0 is a minute
	CredentialPatience time.Duration // how long to wait for somebody to renew credentials; 0 is 1 hour

	HTTPClient aws.HTTPClient // nil is that of the AWS configuration
}

// Store is a data store. It is safe for concurrent use.
type Store struct {
	options     Options
	client      *sdk.Client
	http        aws.HTTPClient
	region      string
	credentials *aws.CredentialsCache
	bearer      *bearer // nil signs
	pace        *rate.Limiter
	base        string // URL of the REST API, with a slash at its end
}

// Datastore is what HealthLake tells of a data store.
type Datastore struct {
	ARN    string
	Name   string
	Status string // ACTIVE is the only one that is ready
	Base   string // URL of the REST API, with a slash at its end
	SMART  bool   // its REST API takes bearer tokens
	KMSKey string // that encrypts it; "" is one that AWS owns
}

// Open asks for the data store, which must be active.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	cfg, credentials, err := awsconfig.Load(ctx, o.Region)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, &pipeline.Error{
			Op: "find the region of data store", Object: o.Datastore, Kind: pipeline.KindConfig,
			Err: errors.New("none is set"), Hint: "set target.healthlake.region",
		}
	}
	s := &Store{
		options: o, region: cfg.Region, http: timed(cfg.HTTPClient), credentials: credentials,
		pace: rate.NewLimiter(rate.Limit(o.RequestsPerSecond), max(1, int(o.RequestsPerSecond))),
	}
	if o.HTTPClient != nil {
		s.http = o.HTTPClient
	}
	if o.Token != nil {
		s.bearer = newBearer(o.Token)
	}
	cfg.HTTPClient = s.http
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} } // see persist
	s.client = sdk.NewFromConfig(cfg)
	d, err := s.Describe(ctx)
	if err != nil {
		return nil, err
	}
	s.base = d.Base
	if d.SMART && s.bearer == nil && o.Grant.ClientID != "" {
		if s.bearer, err = s.smart(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.fits(d); err != nil {
		return nil, err
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.RequestsPerSecond == 0 {
		o.RequestsPerSecond = 10
	}
	if o.Patience == 0 {
		o.Patience = 15 * time.Minute
	}
	if o.Settling == 0 {
		o.Settling = time.Minute
	}
	if o.CredentialPatience == 0 {
		o.CredentialPatience = time.Hour
	}
	return o
}

// timed bounds each attempt of the SDK's own HTTP client.
func timed(client aws.HTTPClient) aws.HTTPClient {
	if own, ok := client.(*awshttp.BuildableClient); ok {
		return own.WithTimeout(attemptTimeout)
	}
	return client
}

// fits checks that the data store can be worked with.
func (s *Store) fits(d Datastore) error {
	e := &pipeline.Error{Op: "use data store", Object: s.options.Datastore, Kind: pipeline.KindConfig}
	switch {
	case d.Status == string(types.DatastoreStatusCreating):
		e.Kind, e.Err, e.Hint = pipeline.KindRetryLater, errors.New("it is being created"), "wait until it is ACTIVE"
	case d.Status != string(types.DatastoreStatusActive):
		e.Err, e.Hint = errors.New("it is not active, and will not be"), "name another data store"
	case d.SMART && s.bearer == nil:
		e.Err, e.Hint = errors.New("its REST API takes bearer tokens, and no client is set"), HintGrant
	case !d.SMART && s.bearer != nil:
		e.Err, e.Hint = errors.New("its REST API takes signatures, not bearer tokens"), "open it without a token"
	default:
		return nil
	}
	return e
}

// Describe returns what HealthLake tells of the data store.
func (s *Store) Describe(ctx context.Context) (Datastore, error) {
	in := &sdk.DescribeFHIRDatastoreInput{DatastoreId: &s.options.Datastore}
	out, err := persist(ctx, s, "describe data store", s.options.Datastore, func(ctx context.Context) (*sdk.DescribeFHIRDatastoreOutput, error) {
		out, err := s.client.DescribeFHIRDatastore(ctx, in)
		return out, noEndpoint(s.options.Datastore, s.region, err)
	})
	if err != nil {
		return Datastore{}, err
	}
	p := out.DatastoreProperties
	d := Datastore{
		ARN: aws.ToString(p.DatastoreArn), Name: aws.ToString(p.DatastoreName),
		Status: string(p.DatastoreStatus), Base: withSlash(aws.ToString(p.DatastoreEndpoint)),
	}
	if provider := p.IdentityProviderConfiguration; provider != nil {
		d.SMART = provider.AuthorizationStrategy != types.AuthorizationStrategyAwsAuth
	}
	if by := p.SseConfiguration; by != nil && by.KmsEncryptionConfig != nil {
		d.KMSKey = aws.ToString(by.KmsEncryptionConfig.KmsKeyId)
	}
	return d, nil
}

// Region is the one that the data store is asked in.
func (s *Store) Region() string { return s.region }

// Credentials are what a signature is made with.
type Credentials struct {
	Source  string    // of the SDK's providers, e.g. EnvConfigCredentials
	Session bool      // they end
	Expire  time.Time // when; zero where nobody knows
}

// Credentials returns what the next call is signed with.
func (s *Store) Credentials(ctx context.Context) (Credentials, error) {
	c, err := s.credentials.Retrieve(ctx)
	if err != nil {
		return Credentials{}, fault("get credentials for data store", s.options.Datastore, &awsconfig.CredentialError{Err: err})
	}
	// A provider that reads files says where: EnvConfigCredentials, SharedConfigCredentials: /home/a/.aws/credentials.
	source, _, _ := strings.Cut(c.Source, ":")
	known := Credentials{Source: source, Session: c.SessionToken != ""}
	if c.CanExpire {
		known.Expire = c.Expires
	}
	return known, nil
}
