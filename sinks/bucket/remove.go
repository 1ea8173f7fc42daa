package bucket

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// List implements [pipeline.Sink]. Of uploads it tells those that were begun
// after the claim; what is older is not ours.
func (s *Sink) List(ctx context.Context, f func(pipeline.Listed) error) error {
	folder := s.key("")
	err := s.store.List(ctx, folder, func(key string, size int64) error {
		name := strings.TrimPrefix(key, folder)
		return f(pipeline.Listed{Name: name, Size: size, Foreign: name == "" || strings.HasSuffix(name, "/")})
	})
	if err != nil {
		return err
	}
	uploads, err := s.uploads(ctx, folder)
	if err != nil {
		return err
	}
	for _, u := range uploads {
		if err := f(pipeline.Listed{Name: strings.TrimPrefix(u.Key, folder), Unfinished: true}); err != nil {
			return err
		}
	}
	return nil
}

// Remove implements [pipeline.Sink]. Uploads go before objects: they are known
// to be ours by the claim, which may be among the objects.
func (s *Sink) Remove(ctx context.Context, names ...string) error {
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		wanted[s.key(name)] = true
	}
	folder := s.key("")
	if len(names) == 1 {
		folder = s.key(names[0])
	}
	uploads, err := s.uploads(ctx, folder)
	if err != nil {
		return err
	}
	err = s.atOnce(ctx, len(uploads), func(ctx context.Context, i int) error {
		if !wanted[uploads[i].Key] {
			return nil
		}
		return s.store.AbortUpload(ctx, uploads[i].Key, uploads[i].ID)
	})
	if err != nil {
		return err
	}
	err = s.atOnce(ctx, len(names), func(ctx context.Context, i int) error {
		return s.store.Delete(ctx, s.key(names[i]))
	})
	if err != nil {
		return err
	}
	return durable.Failure("remove tails in", s.tails, s.removeTails(wanted))
}

// atOnce does n things, as many at the same time as there are transfers.
func (s *Sink) atOnce(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cap(s.flight))
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := faultpoint.At("remove"); err != nil {
				return err
			}
			return do(ctx, i)
		})
	}
	return group.Wait()
}

// removeTails removes the tails of files by their keys.
func (s *Sink) removeTails(keys map[string]bool) error {
	var found []string
	err := filepath.WalkDir(s.tails, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, s.tails+string(filepath.Separator)))
		if !entry.IsDir() && keys[s.key(strings.TrimSuffix(name, filepath.Ext(name)))] {
			found = append(found, path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := removeAll(found); err != nil {
		return err
	}
	for _, path := range found {
		s.names.Prune(filepath.Dir(path))
	}
	return nil
}

// uploads lists the unfinished uploads under a prefix of keys that were begun
// after our claim, by S3's clock. Without a claim none is ours.
func (s *Sink) uploads(ctx context.Context, prefix string) ([]objectstore.Upload, error) {
	all, err := s.store.Uploads(ctx, prefix)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	claim, err := s.store.Head(ctx, s.key(claimName))
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	since := claim.Modified.Truncate(time.Second)
	ours := all[:0]
	for _, u := range all {
		if strings.HasPrefix(u.Key, prefix) && !u.Initiated.Before(since) {
			ours = append(ours, u)
		}
	}
	return ours, nil
}
