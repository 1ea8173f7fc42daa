package staging

import (
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// findAtOnce bounds the look-ups of files.
const findAtOnce = 32

// Entry is a file that a source names.
type Entry struct {
	Key     string
	Items   int64    // records that the source promises, or pipeline.Unpromised
	MD5     [16]byte // that it promises; of no meaning where Items is pipeline.Unpromised
	Version uint32   // of all its records, 0 if the source does not say

	Names []string // where it may lie below the place, best first
	Keys  []string // and in the bucket that the source was made in
}

// Options say where to stage.
type Options struct {
	StateDir  string      // the job's state directory; its sub-folder in is ours
	Extension string      // of what is copied there
	Staged    func(int64) // is told the bytes that Stage fetches or reads, from several goroutines; may be nil
}

// Files are those of a source. Their methods are those of [pipeline.Source].
type Files struct {
	place    Place
	inbox    inbox
	objects  []pipeline.Object
	found    []found     // for each object
	arrived  func(int64) // is told the bytes that are copied
	progress func(int64) // is told the bytes that are read
}

// Find looks every file up, so that a missing one is named before hours of work.
// Files of which no number of records is promised are put in order: the largest
// first, then by key; others stay in the order of entries.
//
// Errors: IsAbsent for a file that is not there, else KindAuth, KindRetryLater.
func Find(ctx context.Context, p Place, entries []Entry, o Options) (*Files, error) {
	if o.Staged == nil {
		o.Staged = func(int64) {}
	}
	s := &Files{place: p, inbox: inbox{filepath.Join(o.StateDir, "in"), o.Extension}, arrived: o.Staged, progress: o.Staged}
	if p.spools() {
		s.progress = func(int64) {} // told as they arrived
	}
	if err := s.findAll(ctx, entries); err != nil {
		return nil, err
	}
	s.sort()
	return s, nil
}

func (s *Files) findAll(ctx context.Context, entries []Entry) error {
	s.objects = make([]pipeline.Object, len(entries))
	s.found = make([]found, len(entries))
	missing := make([]error, len(entries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(findAtOnce)
	for i, e := range entries {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			f, err := s.place.find(ctx, e.Names, e.Keys)
			if IsAbsent(err) {
				missing[i] = err
				return nil
			}
			s.found[i] = f
			s.objects[i] = pipeline.Object{Key: e.Key, Items: e.Items, MD5: e.MD5, Size: f.size, Version: e.Version}
			if e.Items == pipeline.Unpromised {
				s.objects[i].MD5 = f.mark()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return firstOf(missing)
}

// mark stands for the MD5 of a file of which none is promised: it tells a file from
// one that was put in its place, as far as that shows without reading.
func (f found) mark() [16]byte { return md5.Sum(fmt.Appendf(nil, "%d %s", f.size, f.etag)) }

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

func (s *Files) sort() {
	type object struct {
		pipeline.Object
		found
	}
	all := make([]object, len(s.objects))
	for i := range all {
		all[i] = object{s.objects[i], s.found[i]}
	}
	slices.SortStableFunc(all, func(a, b object) int {
		if a.Items != pipeline.Unpromised || b.Items != pipeline.Unpromised {
			return 0
		}
		return cmp.Or(cmp.Compare(b.Size, a.Size), strings.Compare(a.Key, b.Key))
	})
	for i := range all {
		s.objects[i], s.found[i] = all[i].Object, all[i].found
	}
}

// Twice returns two objects that are the same file under two keys.
func (s *Files) Twice() (first, second string, twice bool) {
	seen := make(map[string]int, len(s.found))
	for i, f := range s.found {
		if n, twice := seen[f.name]; twice {
			return s.objects[n].Key, s.objects[i].Key, true
		}
		seen[f.name] = i
	}
	return "", "", false
}

// Objects returns the files in the job's order. Their keys and MD5s in this order
// are what a job's fingerprint holds of its source.
func (s *Files) Objects() []pipeline.Object { return s.objects }

// Spools tells whether Stage copies objects to `state`: those of a bucket.
func (s *Files) Spools() bool { return s.place.spools() }

// Folder returns where the source lies.
func (s *Files) Folder() string { return s.place.Name("") }

// Peek returns up to limit bytes from the beginning of object i. They are not
// verified: `check` looks at them, nothing is moved by them (I9).
func (s *Files) Peek(ctx context.Context, i int, limit int64) ([]byte, error) {
	return s.place.head(ctx, s.found[i], min(limit, s.found[i].size))
}

// Stage proves that object i is what its source promises; from a bucket it
// fetches it first. See [pipeline.Source].
func (s *Files) Stage(ctx context.Context, i int) (pipeline.Staged, error) {
	object := s.objects[i]
	if err := faultpoint.At("stage"); err != nil {
		return nil, fault("stage", object.Key, err)
	}
	if err := durable.MkdirAll(s.inbox.dir); err != nil {
		return nil, fault("stage", object.Key, err)
	}
	done, err := s.verify(ctx, i)
	if err != nil {
		return nil, err // a nil *staged in the interface would not be nil
	}
	return done, nil
}

// verify returns the local file with the identity that it had when it was read.
func (s *Files) verify(ctx context.Context, i int) (*staged, error) {
	object, promised := s.objects[i], s.objects[i].Items != pipeline.Unpromised
	for {
		local, fresh, err := s.place.local(ctx, s.inbox.copied(i), s.found[i], s.arrived)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(local)
		if err != nil {
			return nil, fault("stage", object.Key, err)
		}
		done := &staged{object: object.Key, path: local, verified: identityOf(info), records: object.Items}
		if records, ok := s.inbox.verified(i, newMarker(object.MD5, done.verified)); ok {
			if !promised {
				done.records = records
			}
			return done, nil
		}
		var wrong error
		if promised || fresh { // else nobody knows which version of the object the copy is
			seen, err := look(ctx, object.Key, local, promised, s.progress)
			if err != nil {
				return nil, err
			}
			if wrong = s.compare(i, &seen); wrong == nil {
				return s.mark(i, done, &seen)
			}
		}
		// I9: what an unclean stop left in state is no verdict on the source.
		if err := s.place.forget(s.inbox.copied(i)); err != nil {
			return nil, fault("stage", object.Key, err)
		}
		if fresh {
			return nil, wrong
		}
	}
}

// compare holds what was read to what was promised of object i.
func (s *Files) compare(i int, seen *seen) error {
	object, f := s.objects[i], s.found[i]
	switch promised := object.Items != pipeline.Unpromised; {
	case promised && seen.md5 != object.MD5:
		return mismatch(object.Key, object.MD5, seen.md5)
	case !promised && seen.Size != f.size:
		return changed(object.Key)
	case !promised && f.crc != "" && seen.crc.Base64() != f.crc:
		return wrongCRC(object.Key)
	}
	return nil
}

// mark notes that object i was read and found right.
func (s *Files) mark(i int, done *staged, seen *seen) (*staged, error) {
	object := s.objects[i]
	m := newMarker(object.MD5, seen.identity)
	done.verified = seen.identity
	if object.Items == pipeline.Unpromised {
		done.records, m.Records = seen.lines.Records(), seen.lines.Records()
	}
	if err := s.inbox.mark(i, m); err != nil {
		return nil, fault("stage", object.Key, err)
	}
	if err := faultpoint.At("staged"); err != nil {
		return nil, fault("stage", object.Key, err)
	}
	return done, nil
}

// Discard removes the marker of object i, and the copy of a bucket's object,
// staged by this process or an earlier one. An object in a directory stays;
// nothing there is no error.
func (s *Files) Discard(i int) error {
	err := s.inbox.unmark(i)
	if err == nil {
		err = s.place.forget(s.inbox.copied(i))
	}
	if err != nil {
		return fault("discard", s.objects[i].Key, err)
	}
	return nil
}
