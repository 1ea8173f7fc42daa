package tableexport

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fhirhose/fhirhose/awsconfig"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Options say how to speak to DynamoDB.
type Options struct {
	Region string // of the table

	Patience           time.Duration    // how long one call is tried again; 0 is 15 minutes
	CredentialPatience time.Duration    // how long to wait for somebody to renew credentials; 0 is 1 hour
	HTTPClient         aws.HTTPClient   // nil is that of the AWS configuration
	Waiting            func(why string) // is told before a call is made again; may be nil
}

// Client makes single calls of DynamoDB. It is safe for concurrent use.
type Client struct {
	options     Options
	client      *dynamodb.Client
	credentials *aws.CredentialsCache
}

// Request says which table is to be exported, and where to. The export is a full
// one in DynamoDB JSON, of the moment at which DynamoDB is asked.
type Request struct {
	Table  string `json:"table"` // ARN
	Bucket string `json:"bucket"`
	Prefix string `json:"prefix,omitempty"`
	Owner  string `json:"owner,omitempty"`   // account of the bucket; "" is that of the table
	KMSKey string `json:"kms_key,omitempty"` // "" leaves it to DynamoDB, which is said to take SSE-S3
}

// Export is an export, as DynamoDB tells of it.
type Export struct {
	ARN      string
	Status   types.ExportStatus
	Token    string
	Time     time.Time // the moment that it shows
	Started  time.Time
	Ended    time.Time // zero before
	Manifest string    // key of manifest-summary.json; "" before the end
	Items    int64     // 0 before the end
	Billed   int64     // bytes; 0 before the end

	FailureCode    string // "" unless it failed
	FailureMessage string // in the words of DynamoDB, which must reach no log
	request        Request
}

// attemptTimeout bounds one attempt with its answer.
const attemptTimeout = time.Minute

// Open reads the AWS configuration. It connects to nothing.
func Open(ctx context.Context, o Options) (*Client, error) {
	if o.Patience == 0 {
		o.Patience = 15 * time.Minute
	}
	if o.Waiting == nil {
		o.Waiting = func(string) {}
	}
	if o.CredentialPatience == 0 {
		o.CredentialPatience = time.Hour
	}
	cfg, credentials, err := awsconfig.Load(ctx, o.Region)
	if err != nil {
		return nil, err
	}
	c := &Client{options: o, credentials: credentials}
	if o.HTTPClient != nil {
		cfg.HTTPClient = o.HTTPClient
	} else if own, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = own.WithTimeout(attemptTimeout)
	}
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} } // see persist
	c.client = dynamodb.NewFromConfig(cfg)
	return c, nil
}

// Start starts an export. With the token of an export that was started before, and
// the same request, it returns that one, for 8 hours. After an error the export
// may have been started all the same.
func (c *Client) Start(ctx context.Context, r Request, token string) (Export, error) {
	in := &dynamodb.ExportTableToPointInTimeInput{
		TableArn: &r.Table, S3Bucket: &r.Bucket, ClientToken: &token,
		ExportFormat: types.ExportFormatDynamodbJson, ExportType: types.ExportTypeFullExport,
	}
	if r.Prefix != "" {
		in.S3Prefix = &r.Prefix
	}
	if r.Owner != "" {
		in.S3BucketOwner = &r.Owner
	}
	if r.KMSKey != "" {
		in.S3SseAlgorithm, in.S3SseKmsKeyId = types.S3SseAlgorithmKms, &r.KMSKey
	}
	call := calling{"export table", r.Table, "dynamodb:ExportTableToPointInTime", r.Table}
	out, err := persist(ctx, c, call, func(ctx context.Context) (*dynamodb.ExportTableToPointInTimeOutput, error) {
		return c.client.ExportTableToPointInTime(ctx, in)
	})
	if err != nil {
		return Export{}, err
	}
	return described(out.ExportDescription, r.Table)
}

// Describe returns the state of an export. errNotFound is of one that DynamoDB
// does not know, not yet or not any more.
func (c *Client) Describe(ctx context.Context, arn string) (Export, error) {
	call := calling{"describe export", arn, "dynamodb:DescribeExport", arn}
	out, err := persist(ctx, c, call, func(ctx context.Context) (*dynamodb.DescribeExportOutput, error) {
		return c.client.DescribeExport(ctx, &dynamodb.DescribeExportInput{ExportArn: &arn})
	})
	if err != nil {
		return Export{}, err
	}
	return described(out.ExportDescription, arn)
}

// pageSize is how many exports are asked for at a time; the service allows 25.
const pageSize = 25

// Find returns the export of a table that carries a token. A new one may be
// missing for a while: that there is none proves nothing.
func (c *Client) Find(ctx context.Context, table, token string) (Export, bool, error) {
	in := &dynamodb.ListExportsInput{TableArn: &table, MaxResults: aws.Int32(pageSize)}
	call := listing(table)
	for {
		out, err := persist(ctx, c, call, func(ctx context.Context) (*dynamodb.ListExportsOutput, error) {
			return c.client.ListExports(ctx, in)
		})
		if err != nil {
			return Export{}, false, err
		}
		for i := range out.ExportSummaries {
			e, err := c.Describe(ctx, aws.ToString(out.ExportSummaries[i].ExportArn))
			if err != nil && !errors.Is(err, errNotFound) {
				return Export{}, false, err
			}
			if err == nil && e.Token == token {
				return e, true, nil
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return Export{}, false, nil
		}
		in.NextToken = out.NextToken
	}
}

// MayList lists an export of a table, to prove that it may.
func (c *Client) MayList(ctx context.Context, table string) error {
	in := &dynamodb.ListExportsInput{TableArn: &table, MaxResults: aws.Int32(1)}
	_, err := persist(ctx, c, listing(table), func(ctx context.Context) (*dynamodb.ListExportsOutput, error) {
		return c.client.ListExports(ctx, in)
	})
	return err
}

func listing(table string) calling {
	return calling{"list exports of", table, "dynamodb:ListExports", "*"}
}

// NotRecoverable is the error of a table that cannot be exported.
func NotRecoverable(table string) error {
	return calling{op: "export table", object: table}.fault(finding{code: "PointInTimeRecoveryUnavailableException", status: 400})
}

// Recoverable tells whether point-in-time recovery is on, without which a table
// cannot be exported.
func (c *Client) Recoverable(ctx context.Context, table string) (bool, error) {
	call := calling{"look at the backups of", table, "dynamodb:DescribeContinuousBackups", table}
	out, err := persist(ctx, c, call, func(ctx context.Context) (*dynamodb.DescribeContinuousBackupsOutput, error) {
		return c.client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
	})
	if err != nil {
		return false, err
	}
	backups := out.ContinuousBackupsDescription
	return backups != nil && backups.PointInTimeRecoveryDescription != nil &&
		backups.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled, nil
}

func described(d *types.ExportDescription, object string) (Export, error) {
	if d == nil || !strings.Contains(aws.ToString(d.ExportArn), "/export/") {
		return Export{}, &pipeline.Error{
			Op: "read DynamoDB's answer about", Object: object, Kind: pipeline.KindFatal, Err: errors.New("it names no export"),
			Hint: "look for a newer release, or report this: DynamoDB answers otherwise than it is documented to",
		}
	}
	return Export{
		ARN: aws.ToString(d.ExportArn), Status: d.ExportStatus, Token: aws.ToString(d.ClientToken),
		Time: aws.ToTime(d.ExportTime), Started: aws.ToTime(d.StartTime), Ended: aws.ToTime(d.EndTime),
		Manifest: aws.ToString(d.ExportManifest), Items: aws.ToInt64(d.ItemCount), Billed: aws.ToInt64(d.BilledSizeBytes),
		FailureCode: aws.ToString(d.FailureCode), FailureMessage: aws.ToString(d.FailureMessage),
		request: Request{
			Table: aws.ToString(d.TableArn), Bucket: aws.ToString(d.S3Bucket), Prefix: aws.ToString(d.S3Prefix),
			Owner: aws.ToString(d.S3BucketOwner), KMSKey: aws.ToString(d.S3SseKmsKeyId),
		},
	}, nil
}
