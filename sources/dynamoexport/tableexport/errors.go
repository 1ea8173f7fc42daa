package tableexport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/cenkalti/backoff/v5"

	"github.com/fhirhose/fhirhose/awsconfig"
	"github.com/fhirhose/fhirhose/pipeline"
)

// errNotFound is of an export that DynamoDB does not know.
var errNotFound = errors.New("DynamoDB does not know the export")

// calling is a call, for its errors.
type calling struct {
	op, object       string
	action, resource string // that a policy must allow
}

// Statement is the IAM statement that allows an action, in JSON.
func Statement(action, resource string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}`, action, resource)
}

// finding is what matters of an error: for the retry, the kind and the text.
type finding struct {
	code        string // of DynamoDB, proved to be one
	status      int    // of HTTP
	skewed      bool   // this machine's clock and the service's differ
	credentials bool   // there are none
}

// mostSkew is how old a signature may be.
const mostSkew = 4 * time.Minute

func examine(err error) (f finding) {
	f.code = awsconfig.Code(err)
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil && r.Response.Response != nil {
		f.status = r.HTTPStatusCode()
		if at, wrong := http.ParseTime(r.Response.Header.Get("Date")); wrong == nil {
			f.skewed = time.Since(at).Abs() > mostSkew
		}
	}
	_, f.credentials = errors.AsType[*awsconfig.CredentialError](err)
	return f
}

func (f finding) isExpired() bool {
	return f.credentials || f.code == "ExpiredTokenException" || f.code == "ExpiredToken"
}

func (f finding) isThrottled() bool {
	_, known := retry.DefaultThrottleErrorCodes[f.code]
	return known || f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable
}

// isNetwork is true of everything that is no refusal: an answer that never came, or
// that broke off.
func (f finding) isNetwork() bool { return !f.credentials && f.status < 300 }

func (f finding) isTransient() bool { return f.isThrottled() || f.isNetwork() || f.status >= 500 }

func (f finding) isDenied() bool {
	switch f.code {
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationTokenException":
		return true
	}
	return f.isExpired() || f.status == http.StatusUnauthorized || f.status == http.StatusForbidden
}

const longestPause = 30 * time.Second

// persist makes a call until it succeeds, fails for good, or patience ends. Its
// error is scrubbed.
func persist[T any](ctx context.Context, c *Client, call calling, do func(context.Context) (T, error)) (T, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.MaxInterval = longestPause
	began := time.Now()
	out, err := backoff.Retry(ctx, func() (T, error) {
		out, err := do(ctx)
		if err == nil {
			return out, nil
		}
		f := examine(err)
		patience := time.Duration(0)
		switch {
		case f.isExpired(): // somebody may log in again
			c.credentials.Invalidate()
			patience = c.options.CredentialPatience
		case f.isTransient():
			patience = c.options.Patience
		}
		if time.Since(began) >= patience {
			return out, backoff.Permanent(err)
		}
		why, _, _ := call.verdict(f)
		c.options.Waiting(why)
		return out, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return out, fmt.Errorf("%s %s: %w", call.op, call.object, ctx.Err())
	}
	return out, call.fault(examine(err))
}

const hintLater = "run the same command again later; it goes on where it stopped"

// fault is what remains of an error: our words, and a code of DynamoDB (I10).
func (c calling) fault(f finding) error {
	e := &pipeline.Error{Op: c.op, Object: c.object}
	words, kind, hint := c.verdict(f)
	e.Kind, e.Hint = kind, hint
	if f.code != "" {
		words += " (DynamoDB says " + f.code + ")"
	}
	e.Err = errors.New(words)
	if f.code == "ExportNotFoundException" {
		e.Err = errNotFound
	}
	return e
}

func (c calling) verdict(f finding) (words string, kind pipeline.Kind, hint string) {
	switch {
	case f.credentials:
		return "no valid AWS credentials", pipeline.KindAuth,
			"renew the AWS credentials (aws sso login, a new token, the instance's role), then run the same command again"
	case f.skewed && f.isDenied():
		return "this machine's clock is wrong", pipeline.KindAuth, "set this machine's clock, e.g. by NTP"
	case f.isExpired():
		return "the credentials have expired", pipeline.KindAuth, "renew the AWS credentials, then run the same command again"
	case f.isThrottled():
		return "too many requests, or too many exports at the same time", pipeline.KindRetryLater, hintLater
	case f.isDenied():
		return "access denied", pipeline.KindAuth,
			"allow this identity: " + Statement(c.action, c.resource) + "; all policies of the job: fhirhose iam"
	}
	switch f.code {
	case "PointInTimeRecoveryUnavailableException":
		return "point-in-time recovery of the table is off", pipeline.KindConfig, hintRecovery
	case "TableNotFoundException", "ResourceNotFoundException":
		return "there is no such table", pipeline.KindConfig, "check region, account and name in source.dynamodb_export.table_arn"
	case "ExportNotFoundException":
		return "", pipeline.KindFatal, "if it has finished, name its folder as source.dynamodb_export.location; otherwise fhirhose export --again"
	case "ExportConflictException":
		return "it conflicts with another export", pipeline.KindFatal,
			"an export was started by this job with other settings, or another writes to the same place: put the settings back, or give export_to a place of its own"
	case "InvalidExportTimeException", "ValidationException":
		return "the settings are refused", pipeline.KindConfig,
			"check table_arn, export_to and kms_key under source.dynamodb_export, and source.expected_bucket_owner of a bucket in another account"
	}
	switch {
	case f.isNetwork():
		return "the connection failed", pipeline.KindRetryLater, hintLater
	case f.isTransient():
		return "the server failed", pipeline.KindRetryLater, hintLater
	}
	return "the request is refused", pipeline.KindFatal, "look at the table's exports in the console of DynamoDB"
}

const hintRecovery = "turn it on: aws dynamodb update-continuous-backups --table-name TABLE --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
