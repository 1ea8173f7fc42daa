package folder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

const dirMode = 0o700

// settleWorkers directories are synced at the same time.
const settleWorkers = 16

// directory counts the changes of its names, so that one sync serves all
// changes before it: a thousand files marked at a cut cost one.
type directory struct {
	path    string
	parent  *directory // nil: the job's folder, which durable.MkdirAll made durable
	changed atomic.Uint64

	mu     sync.Mutex // held while syncing; who waited for it usually finds the work done
	synced uint64     // changes up to this one are durable
}

// touch says that a name appeared or went. It comes after the change.
func (d *directory) touch() { d.changed.Add(1) }

// settle returns when every change before the call is durable, the directory's
// own name included.
func (d *directory) settle() error {
	if err := d.sync(); err != nil {
		return err
	}
	if d.parent == nil {
		return nil
	}
	return d.parent.settle()
}

func (d *directory) sync() error {
	due := d.changed.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.synced >= due {
		return nil
	}
	covered := d.changed.Load()
	if err := durable.SyncDir(d.path); err != nil {
		return err
	}
	d.synced = covered
	return nil
}

// directory returns the directory at path, within the job's folder, made if
// needed together with its parents.
func (s *Sink) directory(path string) (*directory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.makeDirectory(path)
}

func (s *Sink) makeDirectory(path string) (*directory, error) {
	if d, ok := s.directories[path]; ok {
		return d, nil
	}
	made := &directory{path: path}
	made.touch() // names that an earlier process left unsynced
	if path == s.dir {
		if err := durable.MkdirAll(path); err != nil {
			return nil, err
		}
	} else {
		parent, err := s.makeDirectory(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if err := faultpoint.At("mkdir"); err != nil {
			return nil, err
		}
		if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		parent.touch()
		made.parent = parent
	}
	s.directories[path] = made
	return made, nil
}

// Settle implements [pipeline.Sink].
func (s *Sink) Settle(ctx context.Context) error {
	s.mu.Lock()
	all := make([]*directory, 0, len(s.directories))
	for _, d := range s.directories {
		all = append(all, d)
	}
	s.mu.Unlock()

	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(settleWorkers)
	for _, d := range all {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := d.sync(); err != nil {
				return failure("sync directory", d.path, err)
			}
			return nil
		})
	}
	return group.Wait()
}
