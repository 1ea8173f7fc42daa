package staging

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// Bucket is what input in S3 is read through.
type Bucket interface {
	Location() objectstore.Location
	Head(ctx context.Context, key string) (objectstore.Info, error)
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	GetRange(ctx context.Context, key, etag string, offset int64, p []byte) error
	Download(ctx context.Context, key, etag string, size int64, w io.WriterAt) error
	ListObjects(ctx context.Context, prefix string, f func(objectstore.Listed) error) error
}

var _ Bucket = (*objectstore.Store)(nil)

// HintForbidden explains a 403 that may mean an absent object.
const HintForbidden = "its reader needs s3:GetObject; without s3:ListBucket S3 answers 403 for an object that is not there"

// bucket is input in S3. Its objects are copied before they are read.
type bucket struct {
	store  Bucket
	folder objectstore.Location
}

// InBucket is a folder of a bucket.
func InBucket(store Bucket, folder objectstore.Location) Place { return &bucket{store, folder} }

func (b *bucket) refuse(key string, err error, kind pipeline.Kind, hint string) error {
	return &pipeline.Error{Op: "find", Object: b.url(key), Kind: kind, Err: Cause(err), Hint: hint}
}

// Cause returns what a pipeline.Error wraps, to be said of the same object again.
func Cause(err error) error {
	if e, ok := errors.AsType[*pipeline.Error](err); ok {
		return e.Err
	}
	return err
}

// IsAbsent tells whether a file or object is not there.
func IsAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, objectstore.ErrNotFound)
}

// IsForbidden tells whether its reader may not see it.
func IsForbidden(err error) bool {
	scrubbed, ok := errors.AsType[*objectstore.Scrubbed](err)
	return errors.Is(err, fs.ErrPermission) || ok && scrubbed.Status == 403
}

// MayBeAbsent is true also for a 403, which is what S3 says of an absent object to
// those who may not list.
func MayBeAbsent(err error) bool { return IsAbsent(err) || IsForbidden(err) }

func (b *bucket) url(key string) string { return "s3://" + b.folder.Bucket + "/" + key }

func (b *bucket) Name(name string) string {
	if name == "" {
		return b.folder.String()
	}
	return b.url(b.folder.Key(name))
}

func (b *bucket) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	data, err := b.store.Get(ctx, b.folder.Key(name), limit)
	if IsAbsent(err) {
		return nil, b.refuse(b.folder.Key(name), err, pipeline.KindFatal, hintRestore)
	}
	return data, err
}

func (b *bucket) Walk(ctx context.Context, f func(name string, size int64) error) error {
	prefix := b.folder.Key("")
	return b.store.ListObjects(ctx, prefix, func(l objectstore.Listed) error {
		return f(strings.TrimPrefix(l.Key, prefix), l.Size)
	})
}

// find tries the input's own folder first, then the bucket that the manifest
// was written for.
func (b *bucket) find(ctx context.Context, names, keys []string) (found, error) {
	var first error
	candidates := make([]string, 0, len(names)+len(keys))
	for _, name := range names {
		candidates = append(candidates, b.folder.Key(name))
	}
	for _, key := range append(candidates, keys...) {
		info, err := b.store.Head(ctx, key)
		switch {
		case err == nil:
			return found{name: key, size: info.Size, etag: info.ETag, crc: info.CRC64NVME}, nil
		case !MayBeAbsent(err):
			return found{}, err
		case IsForbidden(err) && !IsForbidden(first):
			first = b.refuse(key, err, pipeline.KindAuth, "check the location; "+HintForbidden)
		case first == nil:
			first = b.refuse(key, err, pipeline.KindFatal, hintRestore)
		}
	}
	return found{}, first
}

func (b *bucket) head(ctx context.Context, f found, n int64) ([]byte, error) {
	head := make([]byte, n)
	if err := b.store.GetRange(ctx, f.name, f.etag, 0, head); err != nil {
		return nil, err
	}
	return head, nil
}

func partial(copied string) string { return copied + ".part" }

// local returns the copy that is there, or downloads one. A name without .part
// holds a whole copy; whether the right one, the caller proves.
func (b *bucket) local(ctx context.Context, copied string, f found, progress func(int64)) (string, bool, error) {
	if info, err := os.Stat(copied); err == nil && info.Size() == f.size {
		return copied, false, nil
	}
	if err := b.download(ctx, partial(copied), f, progress); err != nil {
		_ = os.Remove(partial(copied)) // its space may be what is lacking
		return "", false, err
	}
	if err := settle(partial(copied), copied); err != nil {
		return "", false, fault("stage", b.url(f.name), err)
	}
	return copied, true, nil
}

func (b *bucket) download(ctx context.Context, partial string, f found, progress func(int64)) (err error) {
	file, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fault("stage", b.url(f.name), err)
	}
	defer func() {
		if closed := file.Close(); err == nil && closed != nil {
			err = fault("stage", b.url(f.name), closed)
		}
	}()
	// I9: the version that was looked up, or none.
	err = b.store.Download(ctx, f.name, f.etag, f.size, &arriving{file, progress})
	switch {
	case errors.Is(err, objectstore.ErrPrecondition):
		return changed(b.url(f.name))
	case IsAbsent(err):
		return b.refuse(f.name, err, pipeline.KindFatal, hintRestore)
	}
	return err
}

// settle gives a whole copy its name, durably.
func settle(partial, whole string) error {
	if err := durable.Sync(partial); err != nil {
		return err
	}
	if err := faultpoint.At("rename"); err != nil {
		return err
	}
	if err := os.Rename(partial, whole); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(whole))
}

func (b *bucket) spools() bool { return true }

func (b *bucket) forget(copied string) error {
	return errors.Join(remove(copied), remove(partial(copied)))
}

// arriving counts bytes as they are written.
type arriving struct {
	file     *os.File
	progress func(int64)
}

func (a *arriving) WriteAt(p []byte, offset int64) (int, error) {
	if err := faultpoint.At("write"); err != nil {
		return 0, &fs.PathError{Op: "write", Path: a.file.Name(), Err: err}
	}
	n, err := a.file.WriteAt(p, offset)
	a.progress(int64(n))
	return n, err
}
