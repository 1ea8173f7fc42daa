package objectstore

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Listed is an object as a listing shows it.
type Listed struct {
	Key       string
	VersionID string // "null" of one that was written while the bucket kept no versions; "" in a listing without versions
	ETag      string // with its quotes
	Size      int64
	Modified  time.Time // S3's clock
	Latest    bool      // it is what the key stands for now
	Marker    bool      // of a deletion; it has neither content nor ETag
}

// ListObjects calls f for every object whose key begins with prefix, in the byte
// order of keys. Errors name the location and no key.
func (s *Store) ListObjects(ctx context.Context, prefix string, f func(Listed) error) error {
	return s.listObjects(ctx, prefix, "", f)
}

// listObjects begins behind the key after, "" being the first.
func (s *Store) listObjects(ctx context.Context, prefix, after string, f func(Listed) error) error {
	in := &s3.ListObjectsV2Input{
		Bucket: &s.location.Bucket, Prefix: &prefix, ExpectedBucketOwner: s.owner(),
		EncodingType: types.EncodingTypeUrl, // XML has no words for some characters of keys
	}
	if after != "" {
		in.StartAfter = &after
	}
	for {
		out, err := call(ctx, s, "list", s.location.String(), func() (*s3.ListObjectsV2Output, error) {
			return s.client.ListObjectsV2(ctx, in)
		})
		if err != nil {
			return err
		}
		for i := range out.Contents {
			o := &out.Contents[i]
			if err := f(Listed{
				Key: decoded(out.EncodingType, o.Key), ETag: aws.ToString(o.ETag),
				Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), Latest: true,
			}); err != nil {
				return err
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return nil
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

// ListVersions calls f for every version of every object whose key begins with
// prefix: keys in byte order, of each key the newest first. Delete markers are
// left out: a key whose first version is not the latest has been deleted. In a
// bucket without versions it lists the objects. It needs s3:ListBucketVersions.
func (s *Store) ListVersions(ctx context.Context, prefix string, f func(Listed) error) error {
	return s.listVersions(ctx, prefix, "", func(l Listed) error {
		if l.Marker {
			return nil
		}
		return f(l)
	})
}

// ListEverything is ListVersions with the delete markers: what a bucket keeps below
// prefix, whether it can be seen or not. Versions and markers of one key come in no
// order. It begins behind the key after, "" being the first.
func (s *Store) ListEverything(ctx context.Context, prefix, after string, f func(Listed) error) error {
	return s.listVersions(ctx, prefix, after, f)
}

func (s *Store) listVersions(ctx context.Context, prefix, after string, f func(Listed) error) error {
	in := &s3.ListObjectVersionsInput{
		Bucket: &s.location.Bucket, Prefix: &prefix, ExpectedBucketOwner: s.owner(),
		EncodingType: types.EncodingTypeUrl,
	}
	if after != "" {
		in.KeyMarker = &after
	}
	last, told := "", map[string]bool{} // look-alikes repeat versions of a key where a page ends
	for {
		out, err := call(ctx, s, "list the versions in", s.location.String(), func() (*s3.ListObjectVersionsOutput, error) {
			return s.client.ListObjectVersions(ctx, in)
		})
		if err != nil {
			return err
		}
		for _, l := range inKeyOrder(out) {
			if l.Key != last {
				last = l.Key
				clear(told)
			}
			if told[l.VersionID] {
				continue
			}
			told[l.VersionID] = true
			if err := f(l); err != nil {
				return err
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return nil
		}
		marker := decoded(out.EncodingType, out.NextKeyMarker)
		in.KeyMarker, in.VersionIdMarker = &marker, out.NextVersionIdMarker
	}
}

// inKeyOrder merges the two lists of an answer.
func inKeyOrder(out *s3.ListObjectVersionsOutput) []Listed {
	all := make([]Listed, 0, len(out.Versions)+len(out.DeleteMarkers))
	for i := range out.Versions {
		v := &out.Versions[i]
		all = append(all, Listed{
			Key: decoded(out.EncodingType, v.Key), VersionID: aws.ToString(v.VersionId), ETag: aws.ToString(v.ETag),
			Size: aws.ToInt64(v.Size), Modified: aws.ToTime(v.LastModified), Latest: aws.ToBool(v.IsLatest),
		})
	}
	for i := range out.DeleteMarkers {
		m := &out.DeleteMarkers[i]
		all = append(all, Listed{
			Key: decoded(out.EncodingType, m.Key), VersionID: aws.ToString(m.VersionId),
			Modified: aws.ToTime(m.LastModified), Latest: aws.ToBool(m.IsLatest), Marker: true,
		})
	}
	slices.SortStableFunc(all, func(a, b Listed) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// decoded returns a key as it is: S3 look-alikes that do not encode do not say
// that they did.
func decoded(encoding types.EncodingType, key *string) string {
	if encoding == types.EncodingTypeUrl {
		if plain, err := url.QueryUnescape(aws.ToString(key)); err == nil {
			return plain
		}
	}
	return aws.ToString(key)
}
