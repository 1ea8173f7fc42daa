package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/fhirhose/fhirhose/pipeline"
)

// What callers ask of an error with errors.Is.
var (
	ErrNotFound     = errors.New("not found")
	ErrPrecondition = errors.New("precondition failed")
	ErrNoUpload     = errors.New("no such upload")
)

// Fault turns an error of the SDK, or of the disk that a download goes to, into
// a pipeline.Error that says what was done to which object, whether to try
// again, and what the operator can do. The SDK's own text is dropped: it
// carries URLs, hosts, request ids and words of the server (I10). A cancelled
// context and a pipeline.Error pass as they are.
func Fault(op, object string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*pipeline.Error](err); ok {
		return err
	}
	f := examine(err)
	if f.canceled {
		return fmt.Errorf("%s: %w", op, context.Canceled)
	}
	e := &pipeline.Error{Op: op, Object: object, Err: scrub(err)}
	e.Kind, e.Hint = f.verdict()
	return e
}

// Scrubbed is what remains of an error of S3: its code, its status, our words.
type Scrubbed struct { //nolint:errname // it is what is left of an error, in an error
	Code   string // of S3, e.g. "AccessDenied"; "" when there is none
	Status int    // of HTTP; 0 when there is none
	Words  string // ours
	is     error  // a sentinel of this package, or an error of the local disk
}

func (s *Scrubbed) Error() string {
	switch {
	case s.Code != "" && s.Status != 0:
		return fmt.Sprintf("%s (S3 says %s, status %d)", s.Words, s.Code, s.Status)
	case s.Status != 0:
		return fmt.Sprintf("%s (status %d)", s.Words, s.Status)
	case s.Code != "":
		return fmt.Sprintf("%s (S3 says %s)", s.Words, s.Code)
	default:
		return s.Words
	}
}

func (s *Scrubbed) Unwrap() error { return s.is }

func scrub(err error) *Scrubbed {
	f := examine(err)
	words, sentinel := f.words()
	return &Scrubbed{Code: f.code, Status: f.status, Words: words, is: sentinel}
}

func (f finding) words() (string, error) {
	switch {
	case f.disk != nil:
		return "write to the local disk", f.disk
	case f.credentials:
		return "no valid AWS credentials", nil
	case f.certificate:
		return "the certificate of the endpoint is not trusted", nil
	case f.code == "NoSuchBucket":
		return "no such bucket", nil
	case f.code == "InvalidObjectState":
		return "the object lies in an archive storage class", nil
	case f.code == "NoSuchUpload":
		return "the unfinished upload has vanished", ErrNoUpload
	case f.isNotFound():
		return "not found", ErrNotFound
	case f.isPrecondition():
		return "changed, or taken by another", ErrPrecondition
	case f.isExpired():
		return "the credentials have expired", nil
	case f.isSkew():
		return "this machine's clock is wrong", nil
	case f.isDenied():
		return "access denied", nil
	case f.isRegion():
		return "the bucket is in another region", nil
	case f.isThrottle():
		return "too many requests", nil
	case f.isChecksum():
		return "the bytes were damaged on the way", nil
	case f.timeout:
		return "the connection stalled", nil
	case f.network:
		return "the connection failed", nil
	case f.isServerFailure():
		return "the server failed", nil
	case f.status >= 400:
		return "the server refused the request", nil
	default:
		return "the request failed", nil
	}
}

const (
	hintLater  = "run the same command again later; it goes on where it stopped"
	hintAccess = "allow this identity s3:GetObject and s3:PutObject there, kms:Decrypt and kms:GenerateDataKey on its key; " +
		"without s3:ListBucket a missing object looks like a forbidden one; all policies of the job: fhirhose iam"
)

func (f finding) verdict() (pipeline.Kind, string) {
	switch {
	case errors.Is(f.disk, syscall.ENOSPC), errors.Is(f.disk, syscall.EDQUOT):
		return pipeline.KindRetryLater, "free space on the disk of the state directory, then run the same command again"
	case f.disk != nil:
		return pipeline.KindOther, "check the disk of the state directory"
	case f.credentials, f.isExpired():
		return pipeline.KindAuth, "renew the AWS credentials (aws sso login, a new token, the instance's role), then run the same command again"
	case f.certificate:
		return pipeline.KindConfig, "add the endpoint's certificate authority to AWS_CA_BUNDLE or the system's store"
	case f.isSkew():
		return pipeline.KindAuth, "set this machine's clock, e.g. by NTP"
	case f.isDenied():
		return pipeline.KindAuth, hintAccess
	case f.code == "NoSuchBucket":
		return pipeline.KindConfig, "check the bucket's name"
	case f.isRegion():
		return pipeline.KindConfig, "set region to that of the bucket"
	case f.isKMS():
		return pipeline.KindConfig, "check that the KMS key exists, is enabled, and is in the bucket's region"
	case f.isThrottle(), f.isChecksum(), f.timeout, f.network, f.isServerFailure():
		return pipeline.KindRetryLater, hintLater
	case f.code == "NoSuchUpload":
		return pipeline.KindFatal, "a lifecycle rule or a person has removed it; start again with move --restart"
	case f.code == "InvalidObjectState":
		return pipeline.KindFatal, "restore the objects of the export first (aws s3api restore-object), or copy them to another storage class"
	case f.isNotFound():
		return pipeline.KindFatal, "check the location; an object that was there has been removed"
	case f.isPrecondition():
		return pipeline.KindFatal, "somebody else changed the object; nothing else may write there"
	case f.status >= 400:
		return pipeline.KindFatal, "check the settings for this S3 service (path style, request checksums, conditional writes)"
	default:
		return pipeline.KindOther, ""
	}
}

// diskError returns the part of an error chain that is about the local disk.
func diskError(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path
	}
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, cause) {
			return cause
		}
	}
	return nil
}
