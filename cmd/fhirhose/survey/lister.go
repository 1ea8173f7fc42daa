package survey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Lister calls f for each object of a binary bucket whose key begins with prefix,
// and for each that is noncurrent only. It writes nothing. hidden tells that the
// latter could not be listed. Errors hold no key (I10).
type Lister func(ctx context.Context, prefix string, f func(c pipeline.Content, current bool)) (hidden bool, err error)

// InBucket lists a bucket in S3.
func InBucket(store *objectstore.Store) Lister {
	root := store.Location().Key("")
	if root != "" && !strings.HasSuffix(root, "/") {
		root += "/"
	}
	return func(ctx context.Context, prefix string, f func(pipeline.Content, bool)) (hidden bool, err error) {
		seen, last := false, ""
		take := func(o objectstore.Listed) error {
			if seen && o.Key == last {
				return nil // an older version
			}
			seen, last = true, o.Key
			if o.VersionID == "null" {
				o.VersionID = "" // it was written while the bucket kept no versions; the ETag pins it
			}
			f(pipeline.Content{
				Key: strings.TrimPrefix(o.Key, root), VersionID: o.VersionID, ETag: o.ETag, Size: o.Size, Modified: o.Modified,
			}, o.Latest)
			return nil
		}
		err = store.ListVersions(ctx, root+prefix, take)
		if refused, ok := errors.AsType[*objectstore.Scrubbed](err); ok && !seen && cannotListVersions(refused.Status) {
			hidden = true
			err = store.ListObjects(ctx, root+prefix, take)
		}
		return hidden, err
	}
}

// cannotListVersions is true for every refusal of the request as such. What
// concerns the bucket as a whole is told again by the other listing.
func cannotListVersions(status int) bool {
	return status == http.StatusNotImplemented || status >= 400 && status < 500 && status != http.StatusTooManyRequests
}

// namesAtOnce are read of a directory, which may hold millions.
const namesAtOnce = 1024

// InDirectory lists a copy of a bucket; a prefix is "" or ends in a slash.
func InDirectory(dir string) Lister {
	return func(ctx context.Context, prefix string, f func(pipeline.Content, bool)) (bool, error) {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return false, directoryError(dir, errors.Join(bare(err), notDirectory(info)))
		}
		return false, walk(ctx, dir, prefix, func(key string, info fs.FileInfo) {
			f(pipeline.Content{Key: key, Size: info.Size(), Modified: info.ModTime()}, true)
		})
	}
}

// walk reads a folder below dir; its key ends in a slash or is "".
func walk(ctx context.Context, dir, key string, f func(string, fs.FileInfo)) error {
	folder, err := os.Open(filepath.Join(dir, filepath.FromSlash(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a tenant without contents
	}
	if err != nil {
		return directoryError(dir, bare(err))
	}
	defer func() { _ = folder.Close() }() // it is only read
	for ctx.Err() == nil {
		entries, err := folder.ReadDir(namesAtOnce)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return directoryError(dir, bare(err))
		}
		for _, entry := range entries {
			if err := visit(ctx, dir, key+entry.Name(), entry, f); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func visit(ctx context.Context, dir, key string, entry fs.DirEntry, f func(string, fs.FileInfo)) error {
	if entry.IsDir() {
		return walk(ctx, dir, key+"/", f)
	}
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(key))) // of a link: what it leads to
	switch {
	case errors.Is(err, fs.ErrNotExist) && entry.Type().IsRegular():
		return nil // removed while we looked
	case err != nil:
		return directoryError(dir, bare(err))
	case !info.Mode().IsRegular():
		return directoryError(dir, fmt.Errorf("something in it is neither a file nor a folder (%v)", info.Mode().Type()))
	}
	f(key, info)
	return nil
}

func notDirectory(info fs.FileInfo) error {
	if info == nil {
		return nil
	}
	return errors.New("it is no directory")
}

// bare leaves out the path, which may hold an id.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func directoryError(dir string, err error) error {
	e := &pipeline.Error{
		Op: "list", Object: dir, Kind: pipeline.KindConfig, Err: err,
		Hint: "source.binaries must name the bucket of Binary contents, or a directory that holds a plain copy of it",
	}
	if errors.Is(err, fs.ErrPermission) {
		e.Kind, e.Hint = pipeline.KindAuth, "make it readable for the user that runs fhirhose"
	}
	return e
}
