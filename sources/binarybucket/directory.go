package binarybucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/binarybucket/listing"
)

// namesAtOnce are read of a directory, which may hold millions.
const namesAtOnce = 1024

// directory is a copy of a bucket in a local folder.
type directory struct{ root, prefix string }

func (d *directory) name() string { return d.root }

func (d *directory) path(key string) string { return filepath.Join(d.root, filepath.FromSlash(key)) }

// list walks the tree in the order of the file system.
func (d *directory) list(ctx context.Context, current, _ *listing.Sorter, progress func(int64)) error {
	if err := d.look(); err != nil {
		return err
	}
	w := &walk{directory: d, current: current, progress: progress}
	if _, err := os.Stat(d.path(d.prefix)); errors.Is(err, fs.ErrNotExist) {
		return nil // a tenant without contents
	}
	return w.folder(ctx, d.prefix)
}

// look refuses a location that is none: an empty listing would say that every
// content is missing.
func (d *directory) look() error {
	info, err := os.Stat(d.root)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		return nil
	}
	e := &pipeline.Error{Op: "list", Object: d.root, Kind: pipeline.KindConfig, Err: bare(err), Hint: hintLocation}
	if errors.Is(err, fs.ErrPermission) {
		e.Kind, e.Hint = pipeline.KindAuth, "make it readable for the user that runs fhirhose"
	}
	return e
}

// walk is a pass over a directory.
type walk struct {
	directory *directory
	current   *listing.Sorter
	progress  func(int64)
}

// folder adds what lies in a folder; its key ends in a slash or is "".
func (w *walk) folder(ctx context.Context, key string) error {
	folder, err := os.Open(w.directory.path(key))
	if errors.Is(err, fs.ErrNotExist) && key != w.directory.prefix {
		return nil // removed while we looked
	}
	if err != nil {
		return fault("list", w.directory.root, err)
	}
	defer func() { _ = folder.Close() }() // it is only read
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := folder.ReadDir(namesAtOnce)
		if len(entries) == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return fault("list", w.directory.root, err)
			}
			return nil
		}
		for _, entry := range entries {
			if err := w.entry(ctx, key+entry.Name(), entry); err != nil {
				return err
			}
		}
		w.progress(w.current.Objects())
	}
}

func (w *walk) entry(ctx context.Context, key string, entry fs.DirEntry) error {
	if entry.IsDir() {
		return w.folder(ctx, key+"/")
	}
	info, err := os.Stat(w.directory.path(key)) // of a link: what it leads to
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && entry.Type().IsRegular():
		return nil // removed while we looked
	case err != nil && !missing:
		return fault("list", w.directory.root, err)
	case missing, !info.Mode().IsRegular(): // I5: what it stands for cannot be told
		return &pipeline.Error{
			Op: "list", Object: w.directory.root, Kind: pipeline.KindConfig,
			Err:  errors.New("something in it is neither a file nor a folder"),
			Hint: "links to folders are not followed; let the directory hold a plain copy of the bucket",
		}
	}
	return w.current.Add(contentOf(key, info))
}

// contentOf is a file with what stands for its identity: size, mtime and inode.
func contentOf(key string, info os.FileInfo) pipeline.Content {
	return pipeline.Content{
		Key: key, Size: info.Size(), Modified: info.ModTime(),
		ETag: "inode " + strconv.FormatUint(inode(info), 10),
	}
}

// isSame tells whether a file is the one that was listed.
func isSame(c pipeline.Content, info os.FileInfo) bool {
	now := contentOf(c.Key, info)
	return now.Size == c.Size && now.ETag == c.ETag && now.Modified.UnixNano() == c.Modified.UnixNano()
}
