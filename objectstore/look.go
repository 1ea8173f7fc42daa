package objectstore

import (
	"context"
	"errors"

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
