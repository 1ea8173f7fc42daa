package dynamoexport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	// searchDepth is how far below a location an export is looked for:
	// prefix/prefix/AWSDynamoDB/id.
	searchDepth    = 5
	searchMost     = 10
	hintLocation   = "the location must be the folder that holds " + summaryName
	dataFolderName = "data"
)

// directory is an export, or a copy of one, in a local folder. Its objects are
// read in place.
type directory struct{ folder string }

// openDirectory finds the export's folder: location itself, the folder around
// its data, or the only export below it.
func openDirectory(location string) (directory, error) {
	location = filepath.Clean(location)
	if _, err := os.Stat(location); err != nil {
		return directory{}, locationError(location, err)
	}
	if base := filepath.Base(location); base == summaryName || base == dataFolderName && !holdsExport(location) {
		location = filepath.Dir(location)
	}
	if holdsExport(location) {
		return directory{location}, nil
	}
	below, err := exportsBelow(location)
	switch {
	case err != nil:
		return directory{}, locationError(location, err)
	case len(below) == 0:
		return directory{}, locationError(location, fmt.Errorf("no %s here or below: %w", summaryName, fs.ErrNotExist))
	case len(below) > 1:
		return directory{}, &pipeline.Error{
			Op: "find export in", Object: location, Kind: pipeline.KindConfig,
			Err:  errors.New("several exports: " + strings.Join(below, ", ")),
			Hint: "name one of them as the location",
		}
	}
	return directory{below[0]}, nil
}

func holdsExport(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, summaryName))
	return err == nil
}

// exportsBelow returns at most searchMost folders. It does not look into data
// folders, which may hold a hundred thousand files.
func exportsBelow(root string) ([]string, error) {
	var exports []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, path)
		switch {
		case len(exports) == searchMost:
			return fs.SkipAll
		case d.IsDir() && (d.Name() == dataFolderName || strings.Count(relative, string(filepath.Separator)) >= searchDepth):
			return fs.SkipDir
		case !d.IsDir() && d.Name() == summaryName:
			exports = append(exports, filepath.Dir(path))
		}
		return nil
	})
	return exports, err
}

func locationError(location string, err error) error {
	e := &pipeline.Error{Op: "find export in", Object: location, Kind: pipeline.KindConfig, Err: err, Hint: hintLocation}
	if errors.Is(err, fs.ErrPermission) {
		e.Kind, e.Hint = pipeline.KindAuth, "make it readable for the user that runs fhirhose"
	}
	return e
}

func (d directory) name(name string) string {
	return filepath.Join(d.folder, filepath.FromSlash(name))
}

func (d directory) read(_ context.Context, name string, limit int64) ([]byte, error) {
	path := d.name(name)
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
		return nil, broken(path, "longer than %d bytes", limit)
	}
	return data, nil
}

func (d directory) find(_ context.Context, names, _ []string) (found, error) {
	for _, name := range names {
		path := d.name(name)
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
	return found{}, fault("find", d.name(names[0]), fs.ErrNotExist)
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

func (d directory) local(_ context.Context, _ int, f found) (string, bool, error) {
	return f.name, true, nil
}

func (d directory) spools() bool { return false }

func (d directory) forget(int) error { return nil }
