package healthlaketest

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3 is what the simulation asks of S3. It is called from two goroutines.
type S3 interface {
	// List returns every object whose key begins with prefix.
	List(ctx context.Context, bucket, prefix string) ([]Object, error)
	Get(ctx context.Context, bucket, key string) (io.ReadCloser, error)
	Put(ctx context.Context, bucket, key string, content []byte) error
}

// Object is an object of a listing.
type Object struct {
	Key  string
	Size int64 // bytes
}

// FromClient is the S3 that a client speaks to.
func FromClient(client *s3.Client) S3 { return remote{client} }

type remote struct{ client *s3.Client }

func (r remote) List(ctx context.Context, bucket, prefix string) ([]Object, error) {
	var all []Object
	pages := s3.NewListObjectsV2Paginator(r.client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			all = append(all, Object{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size)})
		}
	}
	return all, nil
}

func (r remote) Get(ctx context.Context, bucket, key string) (io.ReadCloser, error) {
	out, err := r.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

func (r remote) Put(ctx context.Context, bucket, key string, content []byte) error {
	_, err := r.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)})
	return err
}

// Directory is an S3 whose buckets are the directories in root. Where there is
// no network, as inside of testing/synctest, it takes the place of a server.
func Directory(root string) S3 { return directory(root) }

type directory string

func (d directory) List(_ context.Context, bucket, prefix string) ([]Object, error) {
	var all []Object
	top := filepath.Join(string(d), bucket)
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(name)
		if !strings.HasPrefix(key, prefix) {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		all = append(all, Object{Key: key, Size: info.Size()})
		return nil
	})
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	return all, err
}

func (d directory) Get(_ context.Context, bucket, key string) (io.ReadCloser, error) {
	return os.Open(d.path(bucket, key))
}

func (d directory) Put(_ context.Context, bucket, key string, content []byte) error {
	path := d.path(bucket, key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

func (d directory) path(bucket, key string) string {
	return filepath.Join(string(d), bucket, filepath.FromSlash(key))
}

// splitURI splits s3://bucket/some/prefix. A URI of a bucket alone has no prefix.
func splitURI(uri string) (bucket, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	return bucket, prefix, ok && bucket != "" && len(uri) <= 1024
}
