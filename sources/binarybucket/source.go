package binarybucket

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/sources/binarybucket/listing"
)

// Options say where contents lie and how they are read.
type Options struct {
	// Location is a directory. Keys are the slash-separated paths below it.
	Location string
	// Bucket is read instead of a directory. Keys are relative to its location.
	Bucket Bucket
	// Prefix is "" for all that lies there, or "<tenant>/" for one tenant's.
	Prefix string
	// StateDir is the job's state directory; binaries*.index in its sub-folder in
	// are ours.
	StateDir string
	// Streams bounds the ranges that all calls of Stage read at the same time; 8.
	Streams int
	// RangeBytes is what Stage reads by one request, for tests; 8 MiB.
	RangeBytes int64
}

// Source is a bucket of contents. It is safe for concurrent use once List has
// returned.
type Source struct {
	place   place
	options Options
	streams chan struct{} // a token for each range that is being read
	current *listing.Listing
	erased  *listing.Listing
}

var _ pipeline.Contents = (*Source)(nil)

// Open looks at nothing but the options. Close gives up what List has opened.
//
// Errors: KindConfig where the options make no sense.
func Open(options Options) (*Source, error) {
	if options.Streams <= 0 {
		options.Streams = 8
	}
	if options.RangeBytes <= 0 {
		options.RangeBytes = 8 << 20
	}
	s := &Source{options: options, streams: make(chan struct{}, options.Streams)}
	if p := options.Prefix; p != "" && (!strings.HasSuffix(p, "/") || !filepath.IsLocal(p)) {
		return nil, &pipeline.Error{Op: "read option", Object: "tenant", Kind: pipeline.KindConfig, Err: errors.New("not the id of a tenant")}
	}
	switch {
	case options.Bucket != nil:
		s.place = &bucket{store: options.Bucket}
	case strings.HasPrefix(options.Location, "s3://"):
		return nil, &pipeline.Error{Op: "open", Object: options.Location, Err: errors.New("no bucket was opened for it")}
	default:
		root, err := filepath.Abs(options.Location)
		if err != nil {
			return nil, fault("find", options.Location, err)
		}
		s.place = &directory{root: root}
	}
	return s, nil
}

// Walk calls f for each object whose key begins with prefix, in any order, and for
// each that is noncurrent only. hidden tells that the latter cannot be seen. In a
// directory a prefix is "" or ends in a slash. It asks the place itself, writes
// nothing, and returns f's error as it is.
func (s *Source) Walk(ctx context.Context, prefix string, f func(c pipeline.Content, current bool) error) (hidden bool, err error) {
	return s.place.walk(ctx, prefix, f)
}

// Look tells whether the place is there and can be listed.
func (s *Source) Look(ctx context.Context) error {
	one := errors.New("there is one")
	_, err := s.Walk(ctx, s.options.Prefix, func(pipeline.Content, bool) error { return one })
	if errors.Is(err, one) {
		return nil
	}
	return err
}

// Close gives up the descriptors of the listing.
func (s *Source) Close() error {
	if s.current == nil {
		return nil
	}
	return errors.Join(s.current.Close(), s.erased.Close())
}

// Totals implements [pipeline.Contents].
func (s *Source) Totals() (objects, bytes int64) { return s.current.Totals() }

// Find implements [pipeline.Contents].
func (s *Source) Find(prefix string) (found []pipeline.Content, first int64, err error) {
	found, first, err = s.current.Find(prefix)
	return found, first, fault("read", s.indexPath(), err)
}

// Erased implements [pipeline.Contents]. It asks the listing, not the bucket: what
// was noncurrent when the job began.
func (s *Source) Erased(_ context.Context, prefix string) ([]pipeline.Content, error) {
	found, _, err := s.erased.Find(prefix)
	return found, fault("read", s.erasedPath(), err)
}

// SeesErased tells whether noncurrent versions could be looked for: not where the
// identity of the process that made the listing lacks s3:ListBucketVersions, or
// the S3 service has no such listing. Then Erased finds nothing. A directory has
// none to look for.
func (s *Source) SeesErased() bool { return s.erased.Remark() != versionsHidden }

// Each implements [pipeline.Contents].
func (s *Source) Each(ctx context.Context, prefix string, f func(number int64, c pipeline.Content) error) error {
	var of error // f's own errors are the caller's
	err := s.current.Each(ctx, prefix, func(number int64, c pipeline.Content) error {
		of = f(number, c)
		return of
	})
	if of != nil {
		return of
	}
	return fault("read", s.indexPath(), err)
}

// Open implements [pipeline.Contents].
func (s *Source) Open(ctx context.Context, c pipeline.Content, offset int64) (io.ReadCloser, error) {
	if offset < 0 || offset > c.Size {
		return nil, &pipeline.Error{Op: "read content in", Object: s.place.name(), Err: errors.New("an offset outside of the object")}
	}
	if err := faultpoint.At("open-content"); err != nil {
		return nil, fault("read content in", s.place.name(), err)
	}
	if offset < c.Size {
		return s.place.read(ctx, c, offset, c.Size-offset)
	}
	if err := s.place.prove(ctx, c); err != nil {
		return nil, err
	}
	return io.NopCloser(strings.NewReader("")), nil
}
