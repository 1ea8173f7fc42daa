package objectstore

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

// WriteOptions hold for every object that a sink writes.
type WriteOptions struct {
	KMSKey      string // "": the bucket's default encryption
	Conditional bool   // refuse to replace: If-None-Match
}

// contentType tells a reader of the bucket what a file is; nothing depends on it.
func contentType(key string) *string {
	switch {
	case strings.HasSuffix(key, ".ndjson"):
		return aws.String("application/x-ndjson")
	case strings.HasSuffix(key, ".json"):
		return aws.String("application/json")
	default:
		return aws.String("application/octet-stream")
	}
}

func (o WriteOptions) encryption() (types.ServerSideEncryption, *string, *bool) {
	if o.KMSKey == "" {
		return "", nil, nil
	}
	return types.ServerSideEncryptionAwsKms, &o.KMSKey, aws.Bool(true)
}

func (o WriteOptions) ifNoneMatch() *string {
	if !o.Conditional {
		return nil
	}
	return aws.String("*")
}

// checksum returns a pointer for the SDK, or nil where none is to be sent.
func (s *Store) checksum(base64 string) *string {
	if !s.checksums || base64 == "" {
		return nil
	}
	return &base64
}

// signedByChecksum spares the SDK a pass over the body for its signature, where
// the signature covers a header with the body's checksum, as it covers all of
// x-amz-*.
func (s *Store) signedByChecksum(o *s3.Options) {
	if s.checksums {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
}

// Put writes an object in one request. sha256 is that of the body, in base64. A
// name that is taken is ErrPrecondition, also when an earlier attempt of this
// call has taken it and its answer was lost.
func (s *Store) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, sha256 string, o WriteOptions) error {
	sse, kmsKey, bucketKey := o.encryption()
	_, err := call(ctx, s, "write", key, func() (*s3.PutObjectOutput, error) {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.location.Bucket, Key: &key,
			Body: body, ContentLength: &size, ContentType: contentType(key), ChecksumSHA256: s.checksum(sha256),
			IfNoneMatch: o.ifNoneMatch(), ExpectedBucketOwner: s.owner(),
			ServerSideEncryption: sse, SSEKMSKeyId: kmsKey, BucketKeyEnabled: bucketKey,
		}, s.signedByChecksum)
	})
	return err
}

// CreateUpload begins a multipart upload. sure is false if S3 may have begun
// more than this one, because the answer to an earlier attempt was lost.
func (s *Store) CreateUpload(ctx context.Context, key string, o WriteOptions) (id string, sure bool, err error) {
	sse, kmsKey, bucketKey := o.encryption()
	in := &s3.CreateMultipartUploadInput{
		Bucket: &s.location.Bucket, Key: &key, ContentType: contentType(key),
		ExpectedBucketOwner: s.owner(), ServerSideEncryption: sse, SSEKMSKeyId: kmsKey, BucketKeyEnabled: bucketKey,
	}
	if s.checksums {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
	}
	calls := 0
	out, err := call(ctx, s, "begin upload of", key, func() (*s3.CreateMultipartUploadOutput, error) {
		calls++
		return s.client.CreateMultipartUpload(ctx, in)
	})
	if err != nil {
		return "", false, err
	}
	return aws.ToString(out.UploadId), calls == 1 && attempts(out.ResultMetadata) == 1, nil
}

func attempts(metadata middleware.Metadata) int {
	results, ok := retry.GetAttemptResults(metadata)
	if !ok {
		return 1
	}
	return len(results.Results)
}

// Part is an acknowledged part of an upload.
type Part struct {
	ETag      string `json:"etag"`                // without quotes
	CRC64NVME string `json:"crc64nvme,omitempty"` // base64
}

// UploadPart sends part number, from 1, of an upload.
func (s *Store) UploadPart(ctx context.Context, key, upload string, number int, body io.ReadSeeker, size int64, crc64 string) (Part, error) {
	part := int32(number)
	out, err := call(ctx, s, "upload part of", key, func() (*s3.UploadPartOutput, error) {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &s.location.Bucket, Key: &key, UploadId: &upload,
			PartNumber: &part, Body: body, ContentLength: &size, ChecksumCRC64NVME: s.checksum(crc64), ExpectedBucketOwner: s.owner(),
		}, s.signedByChecksum)
	})
	if err != nil {
		return Part{}, err
	}
	return Part{ETag: strings.Trim(aws.ToString(out.ETag), `"`), CRC64NVME: aws.ToString(s.checksum(crc64))}, nil
}

// CompleteUpload makes the parts one object of the given size and checksum. A
// name that is taken is ErrPrecondition. An upload that an earlier attempt has
// completed, its answer lost, may be either that or ErrNoUpload.
func (s *Store) CompleteUpload(ctx context.Context, key, upload string, parts []Part, size int64, crc64 string, o WriteOptions) error {
	completed := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		number := int32(i + 1)
		completed[i] = types.CompletedPart{PartNumber: &number, ETag: &p.ETag, ChecksumCRC64NVME: s.checksum(p.CRC64NVME)}
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &s.location.Bucket, Key: &key, UploadId: &upload,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed},
		IfNoneMatch:     o.ifNoneMatch(), ExpectedBucketOwner: s.owner(), ChecksumCRC64NVME: s.checksum(crc64),
	}
	if in.ChecksumCRC64NVME != nil {
		in.ChecksumType, in.MpuObjectSize = types.ChecksumTypeFullObject, &size
	}
	_, err := call(ctx, s, "complete upload of", key, func() (*s3.CompleteMultipartUploadOutput, error) {
		return s.client.CompleteMultipartUpload(ctx, in)
	})
	return err
}

// AbortUpload drops an unfinished upload; one that is gone is no error.
func (s *Store) AbortUpload(ctx context.Context, key, upload string) error {
	_, err := call(ctx, s, "abort upload of", key, func() (*s3.AbortMultipartUploadOutput, error) {
		out, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &s.location.Bucket, Key: &key,
			UploadId: &upload, ExpectedBucketOwner: s.owner(),
		})
		if examine(err).code == "NoSuchUpload" {
			err = nil
		}
		return out, err
	})
	return err
}

// Upload is an unfinished upload.
type Upload struct {
	Key       string
	ID        string
	Initiated time.Time // S3's clock
}

// Uploads lists the unfinished uploads whose keys begin with prefix.
func (s *Store) Uploads(ctx context.Context, prefix string) ([]Upload, error) {
	var found []Upload
	in := &s3.ListMultipartUploadsInput{Bucket: &s.location.Bucket, Prefix: &prefix, ExpectedBucketOwner: s.owner()}
	for {
		out, err := call(ctx, s, "list uploads under", prefix, func() (*s3.ListMultipartUploadsOutput, error) {
			return s.client.ListMultipartUploads(ctx, in)
		})
		if err != nil {
			return nil, err
		}
		for _, u := range out.Uploads {
			found = append(found, Upload{Key: aws.ToString(u.Key), ID: aws.ToString(u.UploadId), Initiated: aws.ToTime(u.Initiated)})
		}
		if !aws.ToBool(out.IsTruncated) {
			return found, nil
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}

// Delete removes an object; an absent one is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	_, err := call(ctx, s, "delete", key, func() (*s3.DeleteObjectOutput, error) {
		return s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.location.Bucket, Key: &key, ExpectedBucketOwner: s.owner()})
	})
	return err
}

// List calls f for every object whose key begins with prefix.
func (s *Store) List(ctx context.Context, prefix string, f func(key string, size int64) error) error {
	in := &s3.ListObjectsV2Input{Bucket: &s.location.Bucket, Prefix: &prefix, ExpectedBucketOwner: s.owner()}
	for {
		out, err := call(ctx, s, "list", prefix, func() (*s3.ListObjectsV2Output, error) {
			return s.client.ListObjectsV2(ctx, in)
		})
		if err != nil {
			return err
		}
		for _, o := range out.Contents {
			if err := f(aws.ToString(o.Key), aws.ToInt64(o.Size)); err != nil {
				return err
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return nil
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}
