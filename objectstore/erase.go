package objectstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Kept is a version, or an object, that S3 did not delete.
type Kept struct {
	Listed
	Code string // S3's, e.g. AccessDenied of one that is locked
}

// Erase deletes what EraseAll finds, and tells what it could not.
type Erase struct {
	Prefix string // of keys
	// Versions erases versions and delete markers, so that nothing remains. Without,
	// objects are deleted: a bucket that keeps versions hides them.
	Versions bool
	Wanted   func(Listed) bool
	Kept     func(Kept)
	Before   func() error // each call that deletes; may be nil
	Chunk    int          // versions listed before the first of them is deleted; 0: 50,000
}

// eraseCall is how many versions one call deletes: S3's most.
const eraseCall = 1000

// errChunk ends a listing where its chunk is full.
var errChunk = errors.New("chunk")

// EraseAll deletes what is wanted below a prefix, 1,000 in a call. What is not there
// any more is no error. It may be called again after an error or a kill.
//
// It lists some, deletes them, and lists behind them: S3 does not say what a
// listing gives whose last version was deleted.
func (s *Store) EraseAll(ctx context.Context, e Erase) error {
	after := ""
	e.Chunk = orDefault(e.Chunk, 50*eraseCall)
	for {
		var chunk []Listed
		last := after
		var err error
		keep := func(l Listed) error {
			if len(chunk) >= e.Chunk && l.Key != last {
				return errChunk
			}
			last = l.Key
			if e.Wanted(l) {
				chunk = append(chunk, l)
			}
			return nil
		}
		if e.Versions {
			err = s.ListEverything(ctx, e.Prefix, after, keep)
		} else {
			err = s.listObjects(ctx, e.Prefix, after, keep)
		}
		if err != nil && !errors.Is(err, errChunk) {
			return err
		}
		for batch := range slices.Chunk(chunk, eraseCall) {
			if e.Before != nil {
				if err := e.Before(); err != nil {
					return err
				}
			}
			if err := s.erase(ctx, batch, &e); err != nil {
				return err
			}
		}
		if err == nil {
			return nil
		}
		after = last
	}
}

// passing are the codes of single versions that pass by themselves.
var passing = []string{"InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted"}

// erase deletes a batch. What the server could not do now is tried again.
func (s *Store) erase(ctx context.Context, batch []Listed, e *Erase) error {
	for attempt := 1; ; attempt++ {
		in := &s3.DeleteObjectsInput{
			Bucket: &s.location.Bucket, ExpectedBucketOwner: s.owner(), Delete: &types.Delete{Quiet: aws.Bool(true)},
		}
		place := make(map[[2]string]int, len(batch))
		for i := range batch {
			id := types.ObjectIdentifier{Key: &batch[i].Key}
			if e.Versions && batch[i].VersionID != "" {
				id.VersionId = &batch[i].VersionID
			}
			place[[2]string{batch[i].Key, aws.ToString(id.VersionId)}] = i
			in.Delete.Objects = append(in.Delete.Objects, id)
		}
		out, err := call(ctx, s, "delete from", s.location.String(), func() (*s3.DeleteObjectsOutput, error) {
			return s.client.DeleteObjects(ctx, in)
		})
		if err != nil {
			return err
		}
		var again []Listed
		for i := range out.Errors {
			failed := &out.Errors[i]
			at, ours := place[[2]string{aws.ToString(failed.Key), aws.ToString(failed.VersionId)}]
			switch code := aws.ToString(failed.Code); {
			case !ours || code == "NoSuchKey" || code == "NoSuchVersion":
			case slices.Contains(passing, code) && attempt < s.options.Attempts:
				again = append(again, batch[at])
			default:
				e.Kept(Kept{batch[at], code})
			}
		}
		if len(again) == 0 {
			return nil
		}
		batch = again
		if err := pipeline.Sleep(ctx, min(s.options.MaxBackoff, 100*time.Millisecond<<min(attempt, 10))); err != nil {
			return Fault("delete from", s.location.String(), err)
		}
	}
}

// Hold is what keeps a version from being deleted.
type Hold struct {
	Mode  string    // GOVERNANCE or COMPLIANCE; "" none
	Until time.Time // zero without a mode
	Legal bool      // a legal hold, which has no end
}

// Held tells what keeps a version. It needs s3:GetObjectRetention and
// s3:GetObjectLegalHold.
func (s *Store) Held(ctx context.Context, key, version string) (h Hold, err error) {
	var id *string
	if version != "" {
		id = &version
	}
	retention, err := call(ctx, s, "look at the retention of", key, func() (*s3.GetObjectRetentionOutput, error) {
		return s.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{
			Bucket: &s.location.Bucket, Key: &key, VersionId: id, ExpectedBucketOwner: s.owner(),
		})
	})
	if err != nil && !hasCode(err, "NoSuchObjectLockConfiguration") {
		return h, err
	}
	if err == nil && retention.Retention != nil {
		h.Mode, h.Until = string(retention.Retention.Mode), aws.ToTime(retention.Retention.RetainUntilDate)
	}
	legal, err := call(ctx, s, "look at the legal hold of", key, func() (*s3.GetObjectLegalHoldOutput, error) {
		return s.client.GetObjectLegalHold(ctx, &s3.GetObjectLegalHoldInput{
			Bucket: &s.location.Bucket, Key: &key, VersionId: id, ExpectedBucketOwner: s.owner(),
		})
	})
	if err != nil && !hasCode(err, "NoSuchObjectLockConfiguration") {
		return h, err
	}
	h.Legal = err == nil && legal.LegalHold != nil && legal.LegalHold.Status == types.ObjectLockLegalHoldStatusOn
	return h, nil
}
