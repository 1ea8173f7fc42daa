package objectstore

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/time/rate"

	"github.com/fhirhose/fhirhose/awsconfig"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Options of a store. The zero value is S3 itself, with everything from the
// SDK's default chain.
type Options struct {
	Region              string // "": the chain's, else the bucket's own
	PathStyle           bool   // for look-alikes without a host name per bucket
	RequestChecksums    string // "when_supported", or "when_required" for look-alikes that refuse them; "": the chain's
	ExpectedBucketOwner string // account id; "" checks nothing

	// Bandwidth bounds the bytes per second in both directions. Stores that
	// share it share the bound; nil is none. See NewBandwidth.
	Bandwidth *rate.Limiter

	// The following are for tests; zero means the default.

	Attempts           int           // per call; 10
	MaxBackoff         time.Duration // longest pause between two attempts; 20 s
	IdleTimeout        time.Duration // a connection on which nothing moves; 60 s
	CredentialPatience time.Duration // how long to wait for somebody to renew credentials; 1 h
	PartSize           int64         // bytes of one ranged GET; 8 MiB
}

// downloadWorkers ranges of one object are fetched at the same time.
const downloadWorkers = 8

// NewBandwidth returns the bound for Options.Bandwidth; nil for 0.
func NewBandwidth(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(min(max(bytesPerSecond/10, 64<<10), 8<<20)))
}

// Store is one bucket. It is safe for concurrent use.
type Store struct {
	location    Location
	options     Options
	client      *s3.Client
	credentials *aws.CredentialsCache
	observe     Observer
	checksums   bool
	closeIdle   func()
}

// Open connects to nothing yet, unless the region has to be asked for. observe
// may be nil.
func Open(ctx context.Context, location Location, options Options, observe Observer) (*Store, error) {
	options = options.withDefaults()
	if observe == nil {
		observe = func(Cause, time.Duration) {}
	}
	s := &Store{location: location, options: options, observe: observe}
	cfg, credentials, err := awsconfig.Load(ctx, options.Region)
	if err != nil {
		return nil, err
	}
	s.credentials = credentials
	if s.checksums, err = requestChecksums(options.RequestChecksums, cfg); err != nil {
		return nil, err
	}
	httpClient := newHTTPClient(options, trustedRoots(cfg))
	cfg.HTTPClient = httpClient
	s.closeIdle = httpClient.CloseIdleConnections
	s.client = s.newClient(cfg)
	if cfg.Region == "" {
		cfg.Region = s.bucketRegion(ctx, cfg)
		s.client = s.newClient(cfg)
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	o.Attempts = orDefault(o.Attempts, 10)
	o.MaxBackoff = orDefault(o.MaxBackoff, 20*time.Second)
	o.IdleTimeout = orDefault(o.IdleTimeout, time.Minute)
	o.CredentialPatience = orDefault(o.CredentialPatience, time.Hour)
	o.PartSize = orDefault(o.PartSize, 8<<20)
	return o
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// requestChecksums tells whether writes carry a checksum. It is always computed
// by the caller: the SDK would send bodies aws-chunked for it.
func requestChecksums(option string, cfg aws.Config) (bool, error) {
	switch option {
	case "":
		return cfg.RequestChecksumCalculation != aws.RequestChecksumCalculationWhenRequired, nil
	case "when_supported":
		return true, nil
	case "when_required":
		return false, nil
	default:
		return false, &pipeline.Error{
			Op: "read option", Object: "request_checksums", Kind: pipeline.KindConfig,
			Err: fmt.Errorf("unknown value %q", option), Hint: "use when_supported or when_required",
		}
	}
}

func (s *Store) newClient(cfg aws.Config) *s3.Client {
	retryer := newRetryer(s.options, s.observe)
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = s.options.PathStyle
		o.Retryer = retryer
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
	})
}

const anyRegion = "us-east-1"

// bucketRegion asks where the bucket lies: S3 tells it even to those whom it
// tells nothing else.
func (s *Store) bucketRegion(ctx context.Context, cfg aws.Config) string {
	cfg.Region = anyRegion
	out, err := s.newClient(cfg).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.location.Bucket})
	if err == nil && out.BucketRegion != nil {
		return *out.BucketRegion
	}
	if _, header := answer(err); header.Get("X-Amz-Bucket-Region") != "" {
		return header.Get("X-Amz-Bucket-Region")
	}
	return anyRegion // the next call says what is wrong
}

// Location returns where the store is.
func (s *Store) Location() Location { return s.location }

// Beside returns a store of another prefix of the same bucket, over the same
// connections. Close of either closes both.
func (s *Store) Beside(prefix string) *Store {
	beside := *s
	beside.location.Prefix = prefix
	return &beside
}

// Checksums tells whether writes carry checksums.
func (s *Store) Checksums() bool { return s.checksums }

// Close gives up idle connections.
func (s *Store) Close() { s.closeIdle() }

func (s *Store) owner() *string {
	if s.options.ExpectedBucketOwner == "" {
		return nil
	}
	return &s.options.ExpectedBucketOwner
}
