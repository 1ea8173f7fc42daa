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
)

// namesAtOnce are read of a directory, which may hold millions.
const namesAtOnce = 1024

// directory is a copy of a bucket in a local folder.
type directory struct{ root string }

func (d *directory) name() string { return d.root }

func (d *directory) path(key string) string { return filepath.Join(d.root, filepath.FromSlash(key)) }

// walk walks over the tree in the order of the file system.
func (d *directory) walk(ctx context.Context, prefix string, f taker) (hidden bool, err error) {
	if err := d.look(); err != nil {
		return false, err
	}
	return false, d.folder(ctx, prefix, f)
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

// folder takes what lies in a folder; its key ends in a slash or is "".
func (d *directory) folder(ctx context.Context, key string, f taker) error {
	folder, err := os.Open(d.path(key))
	if errors.Is(err, fs.ErrNotExist) && key != "" {
		return nil // a tenant without contents, or removed while we looked
	}
	if err != nil {
		return fault("list", d.root, err)
	}
	defer func() { _ = folder.Close() }() // it is only read
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := folder.ReadDir(namesAtOnce)
		if len(entries) == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return fault("list", d.root, err)
			}
			return nil
		}
		for _, entry := range entries {
			if err := d.entry(ctx, key+entry.Name(), entry, f); err != nil {
				return err
			}
		}
	}
}

func (d *directory) entry(ctx context.Context, key string, entry fs.DirEntry, f taker) error {
	if entry.IsDir() {
		return d.folder(ctx, key+"/", f)
	}
	info, err := os.Stat(d.path(key)) // of a link: what it leads to
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && entry.Type().IsRegular():
		return nil // removed while we looked
	case err != nil && !missing:
		return fault("list", d.root, err)
	case missing, !info.Mode().IsRegular(): // I5: what it stands for cannot be told
		return &pipeline.Error{
			Op: "list", Object: d.root, Kind: pipeline.KindConfig,
			Err:  errors.New("something in it is neither a file nor a folder"),
			Hint: "links to folders are not followed; let the directory hold a plain copy of the bucket",
		}
	}
	return f(contentOf(key, info), true)
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
