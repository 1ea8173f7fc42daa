package binarybucket

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Bucket is what contents in S3 are read through.
type Bucket interface {
	Location() objectstore.Location
	ListObjects(ctx context.Context, prefix string, f func(objectstore.Listed) error) error
	ListVersions(ctx context.Context, prefix string, f func(objectstore.Listed) error) error
	OpenRange(ctx context.Context, key string, pin objectstore.Pin, offset, n int64) (io.ReadCloser, error)
}

var _ Bucket = (*objectstore.Store)(nil)

// noVersion is what S3 calls the version of an object that was written while the
// bucket kept none.
const noVersion = "null"

// bucket is contents in S3.
type bucket struct{ store Bucket }

func (b *bucket) name() string { return b.store.Location().String() }

// walk prefers the listing with versions: one pass tells the current objects, the
// ids that pin them, and what was deleted. Those who may not list versions, and
// look-alikes that cannot, list objects; then ETags pin.
func (b *bucket) walk(ctx context.Context, prefix string, f taker) (hidden bool, err error) {
	pass := &pass{take: f}
	if root := b.store.Location().Prefix; root != "" {
		pass.root = root + "/"
	}
	err = b.store.ListVersions(ctx, pass.root+prefix, pass.version)
	if !pass.begun && cannotListVersions(err) {
		hidden = true
		err = b.store.ListObjects(ctx, pass.root+prefix, pass.object)
	}
	if isDenied(err) {
		err = refused("list", b.name(), err, "allow this identity s3:ListBucket there, and s3:ListBucketVersions if it keeps versions")
	}
	return hidden, err
}

// cannotListVersions is true for every refusal of the request as such. What
// concerns the bucket as a whole is told again by the other listing.
func cannotListVersions(err error) bool {
	scrubbed, ok := errors.AsType[*objectstore.Scrubbed](err)
	return ok && (scrubbed.Status == 501 || scrubbed.Status >= 400 && scrubbed.Status < 500 && scrubbed.Status != 429)
}

// pass is one listing.
type pass struct {
	root  string // of keys: what lies before those of the location
	take  taker
	begun bool
	last  string // the key of the version seen last
}

// version takes a version: of each key the first that comes is the newest.
func (p *pass) version(o objectstore.Listed) error {
	if p.begun && o.Key == p.last {
		return nil
	}
	p.begun, p.last = true, o.Key
	if !o.Latest {
		return p.take(p.content(o), false)
	}
	if o.VersionID == noVersion {
		o.VersionID = "" // the ETag pins it, and s3:GetObject suffices to read it
	}
	return p.object(o)
}

func (p *pass) object(o objectstore.Listed) error { return p.take(p.content(o), true) }

func (p *pass) content(o objectstore.Listed) pipeline.Content {
	return pipeline.Content{
		Key: strings.TrimPrefix(o.Key, p.root), VersionID: o.VersionID, ETag: o.ETag,
		Size: o.Size, Modified: o.Modified,
	}
}

func isDenied(err error) bool {
	scrubbed, ok := errors.AsType[*objectstore.Scrubbed](err)
	return ok && (scrubbed.Status == 401 || scrubbed.Status == 403) && pipeline.KindOf(err) == pipeline.KindAuth
}

// refused says again what S3 has refused, with a hint that fits.
func refused(op, place string, err error, hint string) error {
	if e, ok := errors.AsType[*pipeline.Error](err); ok {
		err = e.Err
	}
	return &pipeline.Error{Op: op, Object: place, Kind: pipeline.KindAuth, Err: err, Hint: hint}
}

func (b *bucket) read(ctx context.Context, c pipeline.Content, offset, n int64) (io.ReadCloser, error) {
	pin := objectstore.Pin{ETag: c.ETag, VersionID: c.VersionID, Size: c.Size}
	key := b.store.Location().Key(c.Key)
	r, err := b.store.OpenRange(ctx, key, pin, offset, n)
	if errors.Is(err, objectstore.ErrNotFound) && c.VersionID == "" {
		// Deleted since, in a bucket that began to keep versions after it was
		// written: there it is noncurrent now.
		pin.VersionID = noVersion
		if noncurrent, failed := b.store.OpenRange(ctx, key, pin, offset, n); failed == nil {
			r, err = noncurrent, nil
		}
	}
	if err != nil {
		return nil, b.fault(err)
	}
	return &bucketRange{r, b}, nil
}

// prove reads the last byte: unlike that of a HEAD, its refusal has a body that
// says why.
func (b *bucket) prove(ctx context.Context, c pipeline.Content) error {
	n := min(c.Size, 1)
	r, err := b.read(ctx, c, c.Size-n, n)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

// bucketRange gives errors the words of the contract.
type bucketRange struct {
	io.ReadCloser
	bucket *bucket
}

func (r *bucketRange) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.bucket.fault(err)
	}
	return n, err
}

func (b *bucket) fault(err error) error {
	scrubbed, _ := errors.AsType[*objectstore.Scrubbed](err)
	switch {
	case errors.Is(err, objectstore.ErrPrecondition), scrubbed != nil && scrubbed.Status == 416:
		return changed(opRead, b.name())
	case errors.Is(err, objectstore.ErrNotFound):
		return gone(opRead, b.name())
	case isDenied(err):
		return refused(opRead, b.name(), err, "allow this identity s3:GetObject and s3:GetObjectVersion there, and kms:Decrypt on its key")
	}
	return fault(opRead, b.name(), err)
}
