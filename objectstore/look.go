package objectstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// What follows looks at a bucket and changes nothing. Each look needs a
// permission of its own, which moving records does not: an error says that it
// cannot be seen, not that anything is wrong.

// Versions tells whether the bucket keeps old versions of objects that are
// replaced or deleted. It needs s3:GetBucketVersioning.
func (s *Store) Versions(ctx context.Context) (bool, error) {
	out, err := call(ctx, s, "look at the versioning of", s.location.Bucket, func() (*s3.GetBucketVersioningOutput, error) {
		return s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{
			Bucket: &s.location.Bucket, ExpectedBucketOwner: s.owner(),
		})
	})
	if err != nil {
		return false, err
	}
	return out.Status != "", nil // a suspended one keeps what it has
}

// Locked tells whether object lock is on. It needs
// s3:GetBucketObjectLockConfiguration.
func (s *Store) Locked(ctx context.Context) (bool, error) {
	out, err := call(ctx, s, "look at the object lock of", s.location.Bucket, func() (*s3.GetObjectLockConfigurationOutput, error) {
		return s.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{
			Bucket: &s.location.Bucket, ExpectedBucketOwner: s.owner(),
		})
	})
	if hasCode(err, "ObjectLockConfigurationNotFoundError") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return out.ObjectLockConfiguration != nil && out.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled, nil
}

func hasCode(err error, code string) bool {
	scrubbed, ok := errors.AsType[*Scrubbed](err)
	return ok && scrubbed.Code == code
}

// Region returns the region in which the bucket lies and the one that the store
// speaks to, each "" if unknown. S3 tells the first even to those whom it
// refuses everything else, so that it may come together with an error. Without
// s3:ListBucket that error is a 403; with another owner than
// Options.ExpectedBucketOwner too.
func (s *Store) Region(ctx context.Context) (bucket, spoken string, err error) {
	spoken = s.client.Options().Region
	_, err = call(ctx, s, "look at", s.location.Bucket, func() (*s3.HeadBucketOutput, error) {
		out, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.location.Bucket, ExpectedBucketOwner: s.owner()})
		if err == nil {
			bucket = aws.ToString(out.BucketRegion)
		} else if _, header := answer(err); header != nil {
			bucket = header.Get("X-Amz-Bucket-Region")
		}
		return out, err
	})
	return bucket, spoken, err
}

// Encryption is how a bucket encrypts what comes without an order of its own.
type Encryption struct {
	Algorithm string // "AES256", "aws:kms", ...; "" for none
	KMSKey    string // "" for the account's own key
	BucketKey bool   // one KMS call for many objects
}

// Encryption returns the bucket's default. It needs s3:GetEncryptionConfiguration.
func (s *Store) Encryption(ctx context.Context) (Encryption, error) {
	out, err := call(ctx, s, "look at the encryption of", s.location.Bucket, func() (*s3.GetBucketEncryptionOutput, error) {
		return s.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{
			Bucket: &s.location.Bucket, ExpectedBucketOwner: s.owner(),
		})
	})
	if hasCode(err, "ServerSideEncryptionConfigurationNotFoundError") {
		return Encryption{}, nil
	}
	if err != nil {
		return Encryption{}, err
	}
	if out.ServerSideEncryptionConfiguration != nil {
		for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
			if by := rule.ApplyServerSideEncryptionByDefault; by != nil {
				return Encryption{string(by.SSEAlgorithm), aws.ToString(by.KMSMasterKeyID), aws.ToBool(rule.BucketKeyEnabled)}, nil
			}
		}
	}
	return Encryption{}, nil
}

// PublicAccess tells whether the bucket itself may let the public in: whether not
// each of its four blocks of public access is on. An account's own blocks are not
// looked at. It needs s3:GetBucketPublicAccessBlock.
func (s *Store) PublicAccess(ctx context.Context) (bool, error) {
	out, err := call(ctx, s, "look at the public access of", s.location.Bucket, func() (*s3.GetPublicAccessBlockOutput, error) {
		return s.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{
			Bucket: &s.location.Bucket, ExpectedBucketOwner: s.owner(),
		})
	})
	if hasCode(err, "NoSuchPublicAccessBlockConfiguration") {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	block := out.PublicAccessBlockConfiguration
	return block == nil || !aws.ToBool(block.BlockPublicAcls) || !aws.ToBool(block.IgnorePublicAcls) ||
		!aws.ToBool(block.BlockPublicPolicy) || !aws.ToBool(block.RestrictPublicBuckets), nil
}

// LifecycleRule is an enabled rule that may remove what has no tags. Days are 0
// where it does not.
type LifecycleRule struct {
	Prefix     string // of keys
	AbortDays  int    // unfinished uploads are aborted, so many days after their beginning
	ExpireDays int    // objects are removed, so many days after their making
	ExpireDate time.Time
}

// Touches tells whether the rule is about keys that begin with prefix.
func (r LifecycleRule) Touches(prefix string) bool {
	return strings.HasPrefix(prefix, r.Prefix) || strings.HasPrefix(r.Prefix, prefix)
}

// Lifecycle returns the rules that remove something. It needs
// s3:GetLifecycleConfiguration.
func (s *Store) Lifecycle(ctx context.Context) ([]LifecycleRule, error) {
	out, err := call(ctx, s, "look at the lifecycle rules of", s.location.Bucket, func() (*s3.GetBucketLifecycleConfigurationOutput, error) {
		return s.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{
			Bucket: &s.location.Bucket, ExpectedBucketOwner: s.owner(),
		})
	})
	if hasCode(err, "NoSuchLifecycleConfiguration") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rules []LifecycleRule
	for i := range out.Rules {
		if rule, removes := removing(&out.Rules[i]); removes {
			rules = append(rules, rule)
		}
	}
	return rules, nil
}

func removing(rule *types.LifecycleRule) (removing LifecycleRule, removes bool) {
	if rule.Status != types.ExpirationStatusEnabled {
		return removing, false
	}
	removing.Prefix = aws.ToString(rule.Prefix) //nolint:staticcheck // older rules have it there
	if filter := rule.Filter; filter != nil {
		removing.Prefix += aws.ToString(filter.Prefix)
		if filter.And != nil {
			removing.Prefix += aws.ToString(filter.And.Prefix)
		}
		if filter.Tag != nil || filter.And != nil && len(filter.And.Tags) > 0 {
			return removing, false
		}
	}
	if abort := rule.AbortIncompleteMultipartUpload; abort != nil {
		removing.AbortDays = int(aws.ToInt32(abort.DaysAfterInitiation))
	}
	if expire := rule.Expiration; expire != nil {
		removing.ExpireDays, removing.ExpireDate = int(aws.ToInt32(expire.Days)), aws.ToTime(expire.Date)
	}
	return removing, removing.AbortDays > 0 || removing.ExpireDays > 0 || !removing.ExpireDate.IsZero()
}
