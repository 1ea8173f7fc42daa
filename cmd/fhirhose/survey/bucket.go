package survey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
)

// abortDays is how long a job should be able to take, or to rest, before a
// lifecycle rule aborts its open files.
const abortDays = 7

// Bucket is a bucket that a job reads or writes, and the setting that names it.
type Bucket struct {
	Store  *objectstore.Store
	Name   string // "source", "sink", "results" or "verification"
	Owner  string // account that must own it; "" for any
	KMSKey string // with which the job writes; "" for the bucket's default
}

// LookAtSource says what the configuration of the source's bucket means for the
// job. It changes nothing; what may not be looked at is said, and is no problem.
func (r *Result) LookAtSource(ctx context.Context, b Bucket) {
	if r.region(ctx, b) {
		r.lifecycle(ctx, b)
	}
}

// LookAtExport does so for the bucket that a table will be exported to.
func (r *Result) LookAtExport(ctx context.Context, b Bucket) {
	if r.region(ctx, b) {
		r.lifecycle(ctx, b)
		r.publicAccess(ctx, b, false)
	}
}

// LookAtSink does so for the sink.
func (r *Result) LookAtSink(ctx context.Context, b Bucket) {
	if !r.region(ctx, b) {
		return
	}
	r.lifecycle(ctx, b)
	r.publicAccess(ctx, b, false)
	r.encryption(ctx, b)
	if _, err := b.Store.Uploads(ctx, b.Store.Location().Key("")); err != nil {
		r.unseen("the unfinished uploads of the sink", err)
		r.Warn("a job that was killed could not go on: it needs s3:ListBucketMultipartUploads to remove what it left")
	}
}

// region tells whether the bucket answers, so that looking further makes sense.
func (r *Result) region(ctx context.Context, b Bucket) bool {
	lies, spoken, err := b.Store.Region(ctx)
	refused, answered := errors.AsType[*objectstore.Scrubbed](err)
	switch {
	case lies != "" && lies != spoken:
		r.Fail(&pipeline.Error{
			Op: "look at", Object: b.Store.Location().Bucket, Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("the bucket lies in %s, but the job would ask in %s", lies, spoken),
			Hint: fmt.Sprintf("set %s.region: %s", b.Name, lies),
		})
		return false
	case err != nil && r.otherStyle(ctx, b):
		return false
	case answered && refused.Status == http.StatusForbidden:
		r.unseen("the bucket of the "+b.Name, err)
		if b.Owner != "" {
			r.Warn("the bucket of the %s may belong to another account than %s.expected_bucket_owner", b.Name, b.Name)
		}
		r.Warn("without s3:ListBucket on the bucket of the %s, S3 says 403, access denied, of an object that is not there", b.Name)
	case err != nil:
		r.unseen("the bucket of the "+b.Name, err)
		return answered && refused.Status != 0 && refused.Status != http.StatusNotFound
	case b.Owner != "":
		r.prove("the bucket of the %s belongs to %s.expected_bucket_owner", b.Name, b.Name)
	}
	return true
}

// otherStyle tells whether a bucket that did not answer does so when it is named
// in the other way.
func (r *Result) otherStyle(ctx context.Context, b Bucket) bool {
	other := b.Store.OtherStyle()
	if _, _, err := other.Region(ctx); err != nil {
		return false
	}
	styles := map[bool]string{false: "in the host name", true: "in the path"}
	r.Fail(&pipeline.Error{
		Op: "look at", Object: b.Store.Location().Bucket, Kind: pipeline.KindConfig,
		Err:  fmt.Errorf("the service answers only where the bucket is named %s, not %s", styles[other.PathStyle()], styles[b.Store.PathStyle()]),
		Hint: fmt.Sprintf("set %s.s3.path_style: %v", b.Name, other.PathStyle()),
	})
	return true
}

func (r *Result) lifecycle(ctx context.Context, b Bucket) {
	rules, err := b.Store.Lifecycle(ctx)
	if err != nil {
		r.unseen("the lifecycle rules of the "+b.Name+", which may remove files", err)
		return
	}
	for _, rule := range rules {
		if !rule.Touches(b.Store.Location().Key("")) {
			continue
		}
		if rule.ExpireDays > 0 {
			r.Warn("a lifecycle rule removes the objects of the %s %d days after they were made", b.Name, rule.ExpireDays)
		}
		if !rule.ExpireDate.IsZero() {
			r.Warn("a lifecycle rule removes the objects of the %s from %s on", b.Name, rule.ExpireDate.UTC().Format(time.DateOnly))
		}
		if b.Name == "sink" && rule.AbortDays > 0 && rule.AbortDays <= abortDays {
			r.Warn("a lifecycle rule aborts uploads to the sink after %d days: a job that takes or rests longer loses its open files, and must begin again",
				rule.AbortDays)
		}
	}
}

// publicAccess tells whether the bucket may let the public in, which is a problem
// where it must not.
func (r *Result) publicAccess(ctx context.Context, b Bucket, must bool) {
	bucket := b.Store.Location().Bucket
	command := "aws s3api put-public-access-block --bucket " + bucket + " --public-access-block-configuration " +
		"BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
	words := "the bucket of the " + b.Name + " does not block all public access, and will hold PHI"
	switch public, err := b.Store.PublicAccess(ctx); {
	case err != nil:
		r.unseen("whether the bucket of the "+b.Name+" blocks public access (s3:GetBucketPublicAccessBlock)", err)
	case public && must:
		r.fail("s3://"+bucket, command, "%s", words)
	case public:
		r.Warn("%s: %s", words, command)
	default:
		r.prove("the bucket of the %s blocks public access", b.Name)
	}
}

func (r *Result) encryption(ctx context.Context, b Bucket) {
	if b.KMSKey != "" {
		return // whether it may be used, only a write can tell
	}
	switch by, err := b.Store.Encryption(ctx); {
	case err != nil:
		r.unseen("the default encryption of the sink", err)
	case by.Algorithm == "":
		r.Warn("the bucket of the sink has no default encryption, and sink.kms_key is empty: the files may lie there unencrypted")
	default:
		words := "by default the sink encrypts with " + by.Algorithm
		if by.KMSKey != "" {
			words += " and the key " + by.KMSKey
		}
		r.prove("%s", words)
		if by.Algorithm == "aws:kms" && !by.BucketKey {
			r.Warn("the bucket of the sink has no S3 bucket key: each file and part then costs a call of KMS")
		}
	}
}

func (r *Result) prove(format string, args ...any) {
	r.Probes = append(r.Probes, fmt.Sprintf(format, args...))
}

// unseen notes what this identity may not look at, or what this S3 does not know.
func (r *Result) unseen(what string, err error) {
	cause := err
	if e, ok := errors.AsType[*pipeline.Error](err); ok {
		cause = e.Err
	}
	r.Unseen = append(r.Unseen, fmt.Sprintf("%s: %v", what, cause))
}
