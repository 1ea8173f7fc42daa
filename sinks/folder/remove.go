package folder

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// List implements [pipeline.Sink].
func (s *Sink) List(ctx context.Context, f func(pipeline.Listed) error) error {
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || path == s.dir {
			return err
		}
		found, err := s.describe(path, entry)
		if err != nil || found.Name == "" {
			return err
		}
		return f(found)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a job killed before its first file
	}
	return durable.Failure("list", s.dir, err)
}

// describe returns no name for a directory that holds something.
func (s *Sink) describe(path string, entry fs.DirEntry) (found pipeline.Listed, err error) {
	if entry.IsDir() {
		inside, err := os.ReadDir(path)
		if err != nil || len(inside) > 0 {
			return found, err
		}
		found.Name = s.name(path) + "/"
		return found, nil
	}
	info, err := entry.Info()
	if err != nil {
		return found, err
	}
	found = pipeline.Listed{Name: s.name(path), Size: info.Size(), Foreign: !info.Mode().IsRegular()}
	if base := filepath.Base(path); isPartial(base) && !found.Foreign {
		final := strings.TrimSuffix(strings.TrimPrefix(base, "."), partialSuffix)
		found.Name, found.Unfinished = s.name(filepath.Join(filepath.Dir(path), final)), true
	}
	return found, nil
}

// name is the reverse of path.
func (s *Sink) name(path string) string {
	return filepath.ToSlash(strings.TrimPrefix(path, s.dir+string(filepath.Separator)))
}

// Remove implements [pipeline.Sink]. Directories that it empties go too, up to
// and with the job's folder.
func (s *Sink) Remove(ctx context.Context, names ...string) error {
	directories := map[string]bool{}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		final := s.path(name)
		for _, p := range []string{final, partialPath(final)} {
			if err := remove(p); err != nil {
				return durable.Failure("remove", name, err)
			}
		}
		directories[filepath.Dir(final)] = true
	}
	remaining := map[string]bool{}
	for directory := range directories {
		s.names.Prune(directory)
		remaining[existing(directory)] = true
	}
	for _, directory := range slices.Sorted(maps.Keys(remaining)) {
		if err := durable.SyncDir(existing(directory)); err != nil {
			return durable.Failure("sync directory", directory, err)
		}
	}
	return nil
}

func remove(path string) error {
	if err := faultpoint.At("remove"); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// existing returns dir, or its nearest ancestor that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
