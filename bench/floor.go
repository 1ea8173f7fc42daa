package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// As many as fhirhose has in flight by default, and its parts.
const (
	floorGets  = 32
	floorSends = 16
	floorPart  = 8 << 20
)

// floor does with a server what nobody can leave out who makes one file of all
// contents of a bucket, and nothing else: it reads each of them to nowhere, and
// meanwhile sends as many bytes as they take in base64. No byte is encoded,
// hashed or stored, and nothing waits for anything: how fast the server lets
// anybody be.
func floor(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return errors.New("usage: floor ADDRESS BUCKET TARGET KEY")
	}
	f := floorClient{gateway: newGateway(args[0]), signer: v4.NewSigner(), http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: floorGets + floorSends, DisableCompression: true, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
	}}}
	keys, size, err := f.list(ctx, args[1])
	if err != nil {
		return err
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return f.getAll(ctx, args[1], keys) })
	both.Go(func() error { return f.send(ctx, args[2], args[3], size) })
	return both.Wait()
}

type floorClient struct {
	*gateway
	signer *v4.Signer
	http   *http.Client
}

// list returns the bucket's keys, and how many bytes its objects take in base64.
func (f *floorClient) list(ctx context.Context, bucket string) (keys []string, encoded int64, err error) {
	pages := s3.NewListObjectsV2Paginator(f.client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, 0, err
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
			encoded += (*o.Size + 2) / 3 * 4
		}
	}
	return keys, encoded, nil
}

func (f *floorClient) getAll(ctx context.Context, bucket string, keys []string) error {
	some, ctx := errgroup.WithContext(ctx)
	some.SetLimit(floorGets)
	for _, key := range keys {
		some.Go(func() error {
			_, err := f.do(ctx, http.MethodGet, bucket+"/"+key, nil)
			return err
		})
	}
	return some.Wait()
}

// send makes an object of zeros.
func (f *floorClient) send(ctx context.Context, bucket, key string, size int64) error {
	zeros := make([]byte, min(size, floorPart))
	if size <= floorPart {
		_, err := f.do(ctx, http.MethodPut, bucket+"/"+key, zeros)
		return err
	}
	upload, err := f.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	parts := make([]types.CompletedPart, (size+floorPart-1)/floorPart)
	some, several := errgroup.WithContext(ctx)
	some.SetLimit(floorSends)
	for i := range parts {
		some.Go(func() error {
			number := int32(i + 1)
			path := fmt.Sprintf("%s/%s?partNumber=%d&uploadId=%s", bucket, key, number, *upload.UploadId)
			etag, err := f.do(several, http.MethodPut, path, zeros[:min(floorPart, size-int64(i)*floorPart)])
			parts[i] = types.CompletedPart{PartNumber: &number, ETag: aws.String(etag)}
			return err
		})
	}
	if err := some.Wait(); err != nil {
		return err
	}
	_, err = f.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: &key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

// do makes one request whose body nobody signs, and reads its answer to nowhere.
func (f *floorClient) do(ctx context.Context, method, path string, body []byte) (etag string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, f.endpoint+"/"+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	const unsigned = "UNSIGNED-PAYLOAD"
	req.Header.Set("X-Amz-Content-Sha256", unsigned)
	credentials, err := f.client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return "", err
	}
	if err := f.signer.SignHTTP(ctx, credentials, req, unsigned, "s3", gatewayRegion, time.Now()); err != nil {
		return "", err
	}
	answer, err := f.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: status %d", method, answer.StatusCode)
	}
	return strings.Trim(answer.Header.Get("ETag"), `"`), nil
}
