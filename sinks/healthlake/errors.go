package healthlake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/fhirhose/fhirhose/awsconfig"
	"github.com/fhirhose/fhirhose/pipeline"
)

// statusError is an answer of the REST API that is no success.
type statusError struct {
	status int
	date   string // of the answer
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// receiveError marks an answer that broke off.
type receiveError struct{ err error }

func (e *receiveError) Error() string { return "the answer broke off" }
func (e *receiveError) Unwrap() error { return e.err }

// finding is what matters of an error: for the retry, the kind and the text.
type finding struct {
	code        string // of the control plane, proved to be one
	status      int    // of HTTP
	skewed      bool   // this machine's clock and the service's differ
	credentials bool   // there are none
	network     bool
	starting    bool // an import or export was to be started
}

// mostSkew is how old a signature may be.
const mostSkew = 4 * time.Minute

func examine(err error) (f finding) {
	if err == nil {
		return f
	}
	date := ""
	f.code = awsconfig.Code(err)
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil && r.Response.Response != nil {
		f.status, date = r.HTTPStatusCode(), r.Response.Header.Get("Date")
	}
	if r, ok := errors.AsType[*statusError](err); ok {
		f.status, date = r.status, r.date
	}
	if at, wrong := http.ParseTime(date); wrong == nil {
		f.skewed = time.Since(at).Abs() > mostSkew
	}
	_, f.starting = errors.AsType[*startError](err)
	_, f.credentials = errors.AsType[*awsconfig.CredentialError](err)
	_, isSend := errors.AsType[*smithyhttp.RequestSendError](err)
	_, isURL := errors.AsType[*url.Error](err)
	_, isNet := errors.AsType[net.Error](err)
	_, isReceive := errors.AsType[*receiveError](err)
	f.network = f.status < 300 && (isSend || isURL || isNet || isReceive || // an answer may break off after its status
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded))
	return f
}

// isExpired tells whether other credentials are needed, for certain.
func (f finding) isExpired() bool {
	return f.credentials || f.status == http.StatusUnauthorized || f.code == "ExpiredTokenException"
}

// isForbidden tells whether other credentials may be let in. The REST API does
// not say which 403 means a session that has expired.
func (f finding) isForbidden() bool { return f.status == http.StatusForbidden }

// isSkew tells whether a signature is refused for its time.
func (f finding) isSkew() bool {
	return f.skewed && (f.isDenied() || slices.Contains([]string{"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"}, f.code))
}

func (f finding) isThrottled() bool {
	_, known := retry.DefaultThrottleErrorCodes[f.code]
	return known || f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable
}

// maySettle tells whether a start may succeed in a while: for some seconds a new
// role, or a new policy of one, is not known everywhere.
func (f finding) maySettle() bool {
	return f.code == "AccessDeniedException" || f.code == "ValidationException"
}

func (f finding) isTransient() bool {
	return f.isThrottled() || f.network || f.status >= 500 && f.status != http.StatusNotImplemented
}

func (f finding) isDenied() bool {
	return f.isExpired() || f.isForbidden() || slices.Contains([]string{"AccessDeniedException", "UnrecognizedClientException"}, f.code)
}

// fault turns an error into a pipeline.Error in our own words. What the SDK and
// the server say is dropped: it carries URLs, ids and values (I10). A cancelled
// context and a pipeline.Error pass as they are.
func fault(op, object string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*pipeline.Error](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s %s: %w", op, object, context.Canceled)
	}
	if errors.Is(err, ErrTooLarge) {
		return &pipeline.Error{Op: op, Object: object, Err: ErrTooLarge}
	}
	f := examine(err)
	words, kind, hint := f.verdict()
	if action, known := actions[op]; known && hint == hintDenied {
		hint = "allow this identity " + action + "; all policies of the job: fhirhose iam"
	}
	var said []string
	if f.code != "" {
		said = append(said, "HealthLake says "+f.code)
	}
	if f.status != 0 {
		said = append(said, fmt.Sprintf("status %d", f.status))
	}
	if len(said) > 0 {
		words += " (" + strings.Join(said, ", ") + ")"
	}
	return &pipeline.Error{Op: op, Object: object, Kind: kind, Err: errors.New(words), Hint: hint}
}

const (
	hintLater   = "run the same command again later; it goes on where it stopped"
	hintConsole = "look at the data store in HealthLake's console"
	hintDenied  = "allow this identity the healthlake: actions on the data store, and iam:PassRole on the role of the job"
)

// actions are what a policy must allow for each operation: the words of Op.
var actions = map[string]string{
	"describe data store":                 "healthlake:DescribeFHIRDatastore on the data store",
	"start import":                        "healthlake:StartFHIRImportJob on the data store, and iam:PassRole on target.healthlake.role_arn",
	"describe import":                     "healthlake:DescribeFHIRImportJob on the data store",
	"list imports of":                     "healthlake:ListFHIRImportJobs on the data store",
	"start export":                        "healthlake:StartFHIRExportJob on the data store, and iam:PassRole on target.healthlake.role_arn",
	"describe export":                     "healthlake:DescribeFHIRExportJob on the data store",
	"list exports of":                     "healthlake:ListFHIRExportJobs on the data store",
	"read a resource of data store":       "healthlake:ReadResource on the data store",
	"read a history of data store":        "healthlake:GetHistoryByResourceId on the data store",
	"count the resources of data store":   "healthlake:SearchWithGet on the data store",
	"read the capabilities of data store": "healthlake:GetCapabilities on the data store",
	"look at resources of data store":     "healthlake:ProcessBundle and healthlake:ReadResource on the data store",
	"delete resources of data store":      "healthlake:ProcessBundle, healthlake:ReadResource and healthlake:DeleteResource on the data store",
	"send resources to data store":        "healthlake:ProcessBundle and healthlake:UpdateResource on the data store",
	"send a batch to data store":          "healthlake:ProcessBundle, and what its entries do: healthlake:ReadResource, healthlake:UpdateResource, healthlake:DeleteResource",
}

func (f finding) verdict() (words string, kind pipeline.Kind, hint string) {
	switch {
	case f.credentials:
		return "no valid credentials", pipeline.KindAuth,
			"renew the credentials (aws sso login, a new token, the instance's role), then run the same command again"
	case f.isSkew():
		return "this machine's clock is wrong", pipeline.KindAuth, "set this machine's clock, e.g. by NTP"
	case f.isExpired():
		return "the credentials have expired", pipeline.KindAuth, "renew the credentials, then run the same command again"
	case f.isThrottled():
		return "too many requests", pipeline.KindRetryLater, hintLater
	case f.isDenied():
		return "access denied", pipeline.KindAuth, hintDenied
	case f.code == "ResourceNotFoundException":
		return "not found", pipeline.KindConfig, "check the data store's id and region"
	case f.code == "ConflictException":
		return "the data store is not ready for this", pipeline.KindRetryLater, hintLater
	case f.code == "ValidationException":
		return "the settings are refused", pipeline.KindConfig, "check role_arn, output, kms_key and validation"
	case f.network:
		return "the connection failed", pipeline.KindRetryLater, hintLater
	case f.isTransient():
		return "the server failed", pipeline.KindRetryLater, hintLater
	case f.status >= 400:
		return "the request is refused", pipeline.KindFatal, hintConsole
	default:
		return "the request failed", pipeline.KindOther, hintLater
	}
}
