package dynamoexport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

const (
	summaryBytes = 1 << 20
	filesBytes   = 256 << 20 // a million data files
	// findAtOnce bounds the look-ups of data files.
	findAtOnce = 32
)

// Options say where an export lies and where to stage it.
type Options struct {
	// Location is the directory that holds manifest-summary.json, or exactly one
	// export below it.
	Location string
	// Bucket is read instead of a directory. Its own location is the folder that
	// holds manifest-summary.json.
	Bucket Bucket
	// StateDir is the job's state directory; its sub-folder in is ours.
	StateDir string
	// Staged is told the compressed bytes that Stage fetches or hashes, as it
	// goes, from several goroutines. Optional.
	Staged func(bytes int64)
}

// Source is a DynamoDB full export.
type Source struct {
	place    place
	inbox    inbox
	summary  *summary
	objects  []pipeline.Object
	found    []found     // for each object
	progress func(int64) // is told the bytes that are hashed
}

var _ pipeline.Source = (*Source)(nil)

// Open reads the manifest and finds every data file. It reads no data and writes
// nothing.
//
// Errors: KindConfig where the location holds no export that can be moved,
// KindFatal where the export is damaged or lacks a file, KindAuth, KindRetryLater.
func Open(ctx context.Context, options Options) (*Source, error) {
	if options.Staged == nil {
		options.Staged = func(int64) {}
	}
	in := inbox{filepath.Join(options.StateDir, "in")}
	p, err := openPlace(ctx, options, in)
	if err != nil {
		return nil, err
	}
	m, entries, err := readManifest(ctx, p)
	if err != nil {
		return nil, err
	}
	s := &Source{place: p, inbox: in, summary: m, progress: options.Staged}
	if p.spools() {
		s.progress = func(int64) {} // told as they arrived
	}
	if err := s.findAll(ctx, entries); err != nil {
		return nil, err
	}
	return s, nil
}

func readManifest(ctx context.Context, p place) (*summary, []entry, error) {
	data, err := readVerified(ctx, p, summaryName, summaryBytes)
	if err != nil {
		return nil, nil, err
	}
	m, err := parseSummary(p.name(summaryName), data)
	if err != nil {
		return nil, nil, err
	}
	name := filesName
	if m.FilesKey != "" && localKey(m.FilesKey) {
		name = path.Base(m.FilesKey)
	}
	data, err = readVerified(ctx, p, name, filesBytes)
	if err != nil {
		return nil, nil, err
	}
	entries, err := parseFiles(p.name(name), data, *m.Items)
	return m, entries, err
}

func readVerified(ctx context.Context, p place, name string, limit int64) ([]byte, error) {
	data, err := p.read(ctx, name, limit)
	if err != nil {
		return nil, err
	}
	return data, verifyChecksum(ctx, p, name, data)
}

// findAll looks every data file up, so that a missing one is named before hours
// of work.
func (s *Source) findAll(ctx context.Context, entries []entry) error {
	s.objects = make([]pipeline.Object, len(entries))
	s.found = make([]found, len(entries))
	missing := make([]error, len(entries))
	id := s.summary.exportID()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(findAtOnce)
	for i, e := range entries {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			f, err := s.place.find(ctx, below(e.key, id), s.summary.original(e.key))
			if isAbsent(err) {
				missing[i] = err
				return nil
			}
			s.found[i] = f
			s.objects[i] = pipeline.Object{Key: e.key, Items: e.items, MD5: e.md5, Size: f.size}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := firstOf(missing); err != nil {
		return err
	}
	return s.refuseTwice()
}

// firstOf returns the first error and says how many more there are.
func firstOf(missing []error) error {
	var first error
	count := 0
	for _, err := range missing {
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		count++
	}
	e, ok := errors.AsType[*pipeline.Error](first)
	if !ok || count < 2 {
		return first
	}
	more := *e
	more.Err = fmt.Errorf("%w, and %d more data files are missing", e.Err, count-1)
	return &more
}

// refuseTwice catches a data file that two keys stand for, one with and one
// without the prefix.
func (s *Source) refuseTwice() error {
	seen := make(map[string]int, len(s.found))
	for i, f := range s.found {
		if first, twice := seen[f.name]; twice {
			return broken(s.place.name(filesName), "the keys %s and %s name the same data file",
				s.objects[first].Key, s.objects[i].Key)
		}
		seen[f.name] = i
	}
	return nil
}

// Objects returns the data files by items descending, then by key. Their keys and
// MD5s in this order are what a job's fingerprint holds of its source.
func (s *Source) Objects() []pipeline.Object { return s.objects }

// ExportTime returns the moment that the export shows, zero if unknown.
func (s *Source) ExportTime() time.Time { return s.summary.exportTime() }

// Spools tells whether Stage copies objects to `state`: those of a bucket.
func (s *Source) Spools() bool { return s.place.spools() }

// Folder returns where the export lies: the folder that was found at or below the
// location.
func (s *Source) Folder() string { return s.place.name("") }

// Stage proves that object i is what the manifest promises; from a bucket it
// fetches it first. See [pipeline.Source].
func (s *Source) Stage(ctx context.Context, i int) (pipeline.Staged, error) {
	object := s.objects[i]
	if err := faultpoint.At("stage"); err != nil {
		return nil, fault("stage", object.Key, err)
	}
	if err := durable.MkdirAll(s.inbox.dir); err != nil {
		return nil, fault("stage", object.Key, err)
	}
	verified, local, err := s.verify(ctx, i)
	if err != nil {
		return nil, err
	}
	return &staged{source: s, number: i, path: local, verified: verified}, nil
}

// verify returns the identity that the local file had when its MD5 was right.
func (s *Source) verify(ctx context.Context, i int) (identity, string, error) {
	object := s.objects[i]
	for {
		local, fresh, err := s.place.local(ctx, i, s.found[i])
		if err != nil {
			return identity{}, "", err
		}
		info, err := os.Stat(local)
		if err != nil {
			return identity{}, "", fault("stage", object.Key, err)
		}
		if id := identityOf(info); s.inbox.verified(i, newMarker(object.MD5, id)) {
			return id, local, nil
		}
		sum, id, err := hash(ctx, object.Key, local, s.progress)
		if err != nil {
			return identity{}, "", err
		}
		if sum == object.MD5 {
			return id, local, s.mark(i, newMarker(sum, id))
		}
		// I9: what an unclean stop left in state is no verdict on the export.
		if err := s.place.forget(i); err != nil {
			return identity{}, "", fault("stage", object.Key, err)
		}
		if fresh {
			return identity{}, "", mismatch(object.Key, object.MD5, sum)
		}
	}
}

func (s *Source) mark(i int, m marker) error {
	if err := s.inbox.mark(i, m); err != nil {
		return fault("stage", s.objects[i].Key, err)
	}
	if err := faultpoint.At("staged"); err != nil {
		return fault("stage", s.objects[i].Key, err)
	}
	return nil
}

// Discard removes the marker of object i, and the copy of a bucket's object,
// staged by this process or an earlier one. An object in a directory stays;
// nothing there is no error.
func (s *Source) Discard(i int) error {
	err := s.inbox.unmark(i)
	if err == nil {
		err = s.place.forget(i)
	}
	if err != nil {
		return fault("discard", s.objects[i].Key, err)
	}
	return nil
}
