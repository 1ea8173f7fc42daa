package binarybucket

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/sources/binarybucket/listing"
)

func (s *Source) indexPath() string {
	return filepath.Join(s.options.StateDir, "in", "binaries.index")
}

func (s *Source) erasedPath() string {
	return filepath.Join(s.options.StateDir, "in", "binaries-erased.index")
}

// fingerprint stands for the place and the part of it that is listed.
func (s *Source) fingerprint() listing.Fingerprint {
	return sha256.Sum256([]byte(s.place.name() + "\x00" + s.options.Prefix))
}

// List implements [pipeline.Contents].
func (s *Source) List(ctx context.Context, progress func(objects int64)) error {
	if s.current != nil {
		return nil
	}
	err := s.open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.makeListing(ctx, progress); err != nil {
			return err
		}
		err = s.open()
	}
	if err != nil {
		return fault("open", s.indexPath(), err)
	}
	objects, _ := s.current.Totals()
	progress(objects)
	return nil
}

// open opens a finished listing: the erased ones are finished before it.
func (s *Source) open() error {
	current, err := listing.Open(s.indexPath(), s.fingerprint())
	if err != nil {
		return err
	}
	erased, err := listing.Open(s.erasedPath(), s.fingerprint())
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(listing.ErrDamaged, errors.New("that of the erased objects is missing"))
	}
	if err != nil {
		return errors.Join(err, current.Close())
	}
	s.current, s.erased = current, erased
	return nil
}

func (s *Source) makeListing(ctx context.Context, progress func(objects int64)) error {
	if err := faultpoint.At("list"); err != nil {
		return fault("list", s.place.name(), err)
	}
	if err := durable.MkdirAll(filepath.Dir(s.indexPath())); err != nil {
		return fault("list into", filepath.Dir(s.indexPath()), err)
	}
	if err := s.sweep(); err != nil {
		return fault("list into", filepath.Dir(s.indexPath()), err)
	}
	return s.writeListing(ctx, progress)
}

func (s *Source) writeListing(ctx context.Context, progress func(objects int64)) (err error) {
	folder := filepath.Dir(s.indexPath())
	current := listing.NewSorter(s.indexPath(), s.fingerprint())
	erased := listing.NewSorter(s.erasedPath(), s.fingerprint())
	defer func() { // of runs; what stays of them is swept by the next listing
		err = fault("list into", folder, errors.Join(err, current.Close(), erased.Close()))
	}()
	hidden, err := s.place.walk(ctx, s.options.Prefix, func(c pipeline.Content, now bool) error {
		if !now {
			return erased.Add(c)
		}
		if err := current.Add(c); err != nil {
			return err
		}
		if n := current.Objects(); n%progressEvery == 0 {
			progress(n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if hidden {
		erased.Remark(versionsHidden)
	}
	for _, sorter := range []*listing.Sorter{erased, current} {
		if err := sorter.Commit(); err != nil {
			return err
		}
	}
	return faultpoint.At("listed")
}

// progressEvery so many objects the operator is told.
const progressEvery = 1000

// sweep removes what a listing that was cut short has left.
func (s *Source) sweep() error {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(s.indexPath()), "binaries*.index?*"))
	for _, path := range left {
		err = errors.Join(err, remove(path))
	}
	return err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
