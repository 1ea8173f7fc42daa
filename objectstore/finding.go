package objectstore

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/fhirhose/fhirhose/awsconfig"
)

// finding is what matters of an error: for the retry, the metric, the exit code
// and the text, so that the four agree.
type finding struct {
	code        string // of S3, proved to be one
	status      int    // of HTTP
	canceled    bool
	network     bool
	timeout     bool // a network error: nothing moved
	credentials bool // there are none
	certificate bool
	damaged     bool  // the SDK found a wrong checksum in an answer
	disk        error // of the local disk
}

func examine(err error) (f finding) {
	if err == nil {
		return f
	}
	f.code = awsconfig.Code(err)
	f.status, _ = answer(err)
	_, f.credentials = errors.AsType[*awsconfig.CredentialError](err)
	_, f.certificate = errors.AsType[*tls.CertificateVerificationError](err)
	f.canceled = errors.Is(err, context.Canceled)
	f.damaged = strings.Contains(err.Error(), "checksum did not match")
	f.disk = diskError(err)
	if f.disk == nil && !f.certificate && !f.credentials && !f.canceled {
		f.timeout, f.network = network(err)
	}
	return f
}

func network(err error) (timeout, any bool) {
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return true, true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return true, true
	}
	_, isOp := errors.AsType[*net.OpError](err)
	_, isURL := errors.AsType[*url.Error](err)
	_, isDNS := errors.AsType[*net.DNSError](err)
	_, isSend := errors.AsType[*smithyhttp.RequestSendError](err)
	broken := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
	return false, isOp || isURL || isDNS || isSend || broken
}

// answer returns the status and the header of the answer that err is about.
func answer(err error) (status int, header http.Header) {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || response.Response == nil || response.Response.Response == nil {
		return 0, nil
	}
	return response.HTTPStatusCode(), response.Response.Header
}

func (f finding) isOneOf(codes ...string) bool {
	for _, code := range codes {
		if f.code == code {
			return true
		}
	}
	return false
}

func (f finding) isNotFound() bool {
	return f.isOneOf("NoSuchKey", "NotFound", "NoSuchVersion") || f.code == "" && f.status == 404
}

func (f finding) isPrecondition() bool {
	return f.code == "PreconditionFailed" || f.status == 412
}

func (f finding) isExpired() bool {
	return f.isOneOf("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired")
}

func (f finding) isSkew() bool { return f.isOneOf("RequestTimeTooSkewed", "RequestInTheFuture") }

func (f finding) isRegion() bool {
	return f.isOneOf("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException") ||
		f.status == 301 || f.status == 307
}

func (f finding) isKMS() bool { return strings.HasPrefix(f.code, "KMS.") }

func (f finding) isDenied() bool {
	return (f.status == 401 || f.status == 403) && !f.isKMS() && f.code != "InvalidObjectState"
}

// isServerFailure leaves out what the server cannot do at all.
func (f finding) isServerFailure() bool { return f.status >= 500 && f.status != 501 }

func (f finding) isThrottle() bool {
	_, known := retry.DefaultThrottleErrorCodes[f.code]
	return known || f.status == 429 || f.code == "ServiceUnavailable"
}

func (f finding) isChecksum() bool {
	return f.damaged || f.isOneOf("BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "InvalidDigest", "IncompleteBody")
}

func (f finding) cause() Cause {
	switch {
	case f.isExpired():
		return ExpiredToken
	case f.isThrottle():
		return Throttle
	case f.isChecksum():
		return Checksum
	case f.timeout, f.code == "RequestTimeout":
		return Timeout
	case f.network:
		return Reset
	default:
		return ServerError
	}
}
