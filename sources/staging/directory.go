package staging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline"
)

// directory is input in a local folder. Its files are read in place.
type directory struct{ folder string }

// InDirectory is a folder on the local disk.
func InDirectory(folder string) Place { return directory{folder} }

func (d directory) Name(name string) string {
	return filepath.Join(d.folder, filepath.FromSlash(name))
}

func (d directory) Read(_ context.Context, name string, limit int64) ([]byte, error) {
	path := d.Name(name)
	file, err := os.Open(path)
	if err != nil {
		return nil, fault("open", path, err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fault("read", path, err)
	}
	if int64(len(data)) > limit {
		return nil, &pipeline.Error{
			Op: "read", Object: path, Kind: pipeline.KindFatal, Err: fmt.Errorf("longer than %d bytes", limit),
			Hint: "check that the location names the right folder",
		}
	}
	return data, nil
}

func (d directory) Walk(ctx context.Context, f func(name string, size int64) error) error {
	return filepath.WalkDir(d.folder, func(path string, entry fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return fault("list", path, err)
		}
		if entry.IsDir() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return fault("list", path, err)
		}
		name, err := filepath.Rel(d.folder, path)
		if err != nil {
			return fault("list", path, err)
		}
		return f(filepath.ToSlash(name), info.Size())
	})
}

func (d directory) find(_ context.Context, names, _ []string) (found, error) {
	for _, name := range names {
		path := d.Name(name)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return found{}, fault("find", path, err)
		case !info.Mode().IsRegular():
			return found{}, fault("find", path, errors.New("not a regular file"))
		}
		return found{name: path, size: info.Size()}, nil
	}
	return found{}, fault("find", d.Name(names[0]), fs.ErrNotExist)
}

func (d directory) head(_ context.Context, f found, n int64) ([]byte, error) {
	file, err := os.Open(f.name)
	if err != nil {
		return nil, fault("look into", f.name, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	head := make([]byte, n)
	if _, err := io.ReadFull(file, head); err != nil {
		return nil, fault("look into", f.name, err)
	}
	return head, nil
}

func (d directory) local(_ context.Context, _ string, f found, _ func(int64)) (string, bool, error) {
	return f.name, true, nil
}

func (d directory) spools() bool { return false }

func (d directory) forget(string) error { return nil }
