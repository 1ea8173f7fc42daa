package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// Sweep implements [pipeline.Sink]: it removes tails that the checkpoint does
// not point into, and aborts the uploads under the job's prefix that it does
// not know and that were begun after our claim. What is older is not ours, nor is
// what lies in the folder of another job.
func (s *Sink) Sweep(ctx context.Context, open map[string]json.RawMessage) error {
	s.again.Store(true)
	tails, uploads := map[string]bool{}, map[string]bool{}
	for name, note := range open {
		var known state
		if len(note) > 0 {
			if err := json.Unmarshal(note, &known); err != nil {
				return unreadable(name)
			}
		}
		tails[s.tail(name, strconv.Itoa(len(known.Parts)))] = true
		uploads[known.Upload] = true
	}
	if err := s.sweepTails(ctx, tails); err != nil {
		return durable.Failure("sweep", s.tails, err)
	}
	began, err := s.uploads(ctx, s.key(""))
	if err != nil {
		return err
	}
	for _, u := range began {
		if uploads[u.ID] || ofOther(strings.TrimPrefix(u.Key, s.key(""))) {
			continue
		}
		if err := s.store.AbortUpload(ctx, u.Key, u.ID); err != nil {
			return err
		}
	}
	return nil
}

// ofOther tells names that lie in the folder of another job: one tenant's may lie
// below that of a job with the tenant's name. A job's own files lie one folder
// deep at most, but for those below _fhirhose.
func ofOther(name string) bool {
	folder, rest, deep := strings.Cut(name, "/")
	if !deep || folder == path.Dir(claimName) {
		return false
	}
	return strings.Contains(rest, "/") || rest == announceName
}

func (s *Sink) sweepTails(ctx context.Context, known map[string]bool) error {
	err := filepath.WalkDir(s.tails, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() || known[path] {
			return ctx.Err()
		}
		return os.Remove(path) //nolint:gosec // G122: the directory is 0700 and claimed by this run
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func removeAll(paths []string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// trash holds tails that are needed only by checkpoints older than the cut that
// is being made. That cut is committed when the next one begins: cuts do not
// overlap, and each calls Settle once, after the functions that Mark returned.
type trash struct {
	mu      sync.Mutex
	number  int  // of the cut that is being made
	settled bool // the next function belongs to the next cut
	tails   map[int][]string
}

// cut returns the number of the cut to which a function belongs that runs now.
func (t *trash) cut() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.settled {
		t.number++
		t.settled = false
	}
	return t.number
}

func (t *trash) add(cut int, tails []string) {
	if len(tails) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tails == nil {
		t.tails = map[int][]string{}
	}
	t.tails[cut] = append(t.tails[cut], tails...)
}

// empty removes what was added in cuts before the one that is being made.
func (t *trash) empty() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settled = true
	for cut, tails := range t.tails {
		if cut == t.number {
			continue
		}
		if err := removeAll(tails); err != nil {
			return err
		}
		delete(t.tails, cut)
	}
	return nil
}
