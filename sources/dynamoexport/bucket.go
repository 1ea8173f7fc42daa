package dynamoexport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// Bucket is what an export in S3 is read through.
type Bucket interface {
	Location() objectstore.Location
	Head(ctx context.Context, key string) (objectstore.Info, error)
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	GetRange(ctx context.Context, key, etag string, offset int64, p []byte) error
	Download(ctx context.Context, key, etag string, size int64, w io.WriterAt) error
}

var _ Bucket = (*objectstore.Store)(nil)

const hintForbidden = hintLocation + ", and its reader needs s3:GetObject; without s3:ListBucket S3 answers 403 for an object that is not there"

// bucket is an export in S3. Its objects are copied to inbox before they are read.
type bucket struct {
	store  Bucket
	folder objectstore.Location
	inbox  inbox
	// progress is told the bytes that arrive.
	progress func(int64)
}

// openBucket finds the export's folder: the location itself, or the folder around
// its data or its summary. It lists nothing.
func openBucket(ctx context.Context, store Bucket, in inbox, progress func(int64)) (*bucket, error) {
	b := &bucket{store: store, folder: store.Location(), inbox: in, progress: progress}
	key := b.folder.Key(summaryName)
	_, err := store.Head(ctx, key)
	if base := path.Base(b.folder.Prefix); mayBeAbsent(err) && (base == dataFolderName || base == summaryName) {
		b.folder.Prefix = parentPrefix(b.folder.Prefix)
		_, err = store.Head(ctx, b.folder.Key(summaryName))
	}
	switch {
	case isAbsent(err):
		return nil, b.refuse(key, err, pipeline.KindConfig, hintLocation)
	case isForbidden(err):
		return nil, b.refuse(key, err, pipeline.KindAuth, hintForbidden)
	case err != nil:
		return nil, err
	}
	return b, nil
}

func parentPrefix(prefix string) string {
	if parent := path.Dir(prefix); parent != "." {
		return parent
	}
	return ""
}

func (b *bucket) refuse(key string, err error, kind pipeline.Kind, hint string) error {
	return &pipeline.Error{Op: "find", Object: b.url(key), Kind: kind, Err: cause(err), Hint: hint}
}

// cause returns what a pipeline.Error wraps, to be said of the same object again.
func cause(err error) error {
	if e, ok := errors.AsType[*pipeline.Error](err); ok {
		return e.Err
	}
	return err
}

func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, objectstore.ErrNotFound)
}

func isForbidden(err error) bool {
	scrubbed, ok := errors.AsType[*objectstore.Scrubbed](err)
	return errors.Is(err, fs.ErrPermission) || ok && scrubbed.Status == 403
}

// mayBeAbsent is true also for a 403, which is what S3 says of an absent object to
// those who may not list.
func mayBeAbsent(err error) bool { return isAbsent(err) || isForbidden(err) }

func (b *bucket) url(key string) string { return "s3://" + b.folder.Bucket + "/" + key }

func (b *bucket) name(name string) string {
	if name == "" {
		return b.folder.String()
	}
	return b.url(b.folder.Key(name))
}

func (b *bucket) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	data, err := b.store.Get(ctx, b.folder.Key(name), limit)
	if isAbsent(err) {
		return nil, b.refuse(b.folder.Key(name), err, pipeline.KindFatal, hintRestore)
	}
	return data, err
}

// find tries the export's own folder first, then the bucket that the manifest
// was written for.
func (b *bucket) find(ctx context.Context, names, keys []string) (found, error) {
	var first error
	for i, name := range names {
		names[i] = b.folder.Key(name)
	}
	for _, key := range append(names, keys...) {
		info, err := b.store.Head(ctx, key)
		switch {
		case err == nil:
			return found{name: key, size: info.Size, etag: info.ETag}, nil
		case !mayBeAbsent(err):
			return found{}, err
		case isForbidden(err) && !isForbidden(first):
			first = b.refuse(key, err, pipeline.KindAuth, hintForbidden)
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

func (b *bucket) localPath(number int) string {
	return filepath.Join(b.inbox.dir, fmt.Sprintf("%06d.gz", number))
}

func (b *bucket) partialPath(number int) string { return b.localPath(number) + ".part" }

// local returns the copy that is there, or downloads one. A name without .part
// holds a whole copy; whether the right one, the caller's MD5 tells.
func (b *bucket) local(ctx context.Context, number int, f found) (string, bool, error) {
	whole := b.localPath(number)
	if info, err := os.Stat(whole); err == nil && info.Size() == f.size {
		return whole, false, nil
	}
	if err := b.download(ctx, b.partialPath(number), f); err != nil {
		_ = os.Remove(b.partialPath(number)) // its space may be what is lacking
		return "", false, err
	}
	if err := b.settle(b.partialPath(number), whole); err != nil {
		return "", false, fault("stage", b.url(f.name), err)
	}
	return whole, true, nil
}

func (b *bucket) download(ctx context.Context, partial string, f found) (err error) {
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
	err = b.store.Download(ctx, f.name, f.etag, f.size, &arriving{file, b.progress})
	switch {
	case errors.Is(err, objectstore.ErrPrecondition):
		return changed(b.url(f.name))
	case isAbsent(err):
		return b.refuse(f.name, err, pipeline.KindFatal, hintRestore)
	}
	return err
}

// settle gives a whole copy its name, durably.
func (b *bucket) settle(partial, whole string) error {
	if err := durable.Sync(partial); err != nil {
		return err
	}
	if err := faultpoint.At("rename"); err != nil {
		return err
	}
	if err := os.Rename(partial, whole); err != nil {
		return err
	}
	return durable.SyncDir(b.inbox.dir)
}

func (b *bucket) spools() bool { return true }

func (b *bucket) forget(number int) error {
	return errors.Join(remove(b.localPath(number)), remove(b.partialPath(number)))
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
