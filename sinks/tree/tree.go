package tree

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

const dirMode = 0o700

// settleWorkers directories are synced at the same time.
const settleWorkers = 16

// Tree is a directory and everything below it. It is safe for concurrent use.
type Tree struct {
	root string

	mu          sync.Mutex // guards directories
	directories map[string]*Directory
}

// New returns the tree below root, which is made when first needed.
func New(root string) *Tree {
	return &Tree{root: root, directories: map[string]*Directory{}}
}

// Directory counts the changes of its names.
type Directory struct {
	path    string
	parent  *Directory // nil: the root, which durable.MkdirAll made durable
	changed atomic.Uint64

	mu     sync.Mutex // held while syncing; who waited for it usually finds the work done
	synced uint64     // changes up to this one are durable
}

// Touch says that a name appeared or went. It comes after the change.
func (d *Directory) Touch() { d.changed.Add(1) }

// Settle returns when every change before the call is durable, the directory's
// own name included.
func (d *Directory) Settle() error {
	if err := d.sync(); err != nil {
		return err
	}
	if d.parent == nil {
		return nil
	}
	return d.parent.Settle()
}

func (d *Directory) sync() error {
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

// Directory returns the directory at path, within the tree, made if needed
// together with its parents.
func (t *Tree) Directory(path string) (*Directory, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.make(path)
}

func (t *Tree) make(path string) (*Directory, error) {
	if d, ok := t.directories[path]; ok {
		return d, nil
	}
	made := &Directory{path: path}
	made.Touch() // names that an earlier process left unsynced
	if path == t.root {
		if err := durable.MkdirAll(path); err != nil {
			return nil, err
		}
	} else {
		parent, err := t.make(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if err := faultpoint.At("mkdir"); err != nil {
			return nil, err
		}
		if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		parent.Touch()
		made.parent = parent
	}
	t.directories[path] = made
	return made, nil
}

// Prune removes the directory at path and its parents, up to and with the root,
// as far as they are empty.
func (t *Tree) Prune(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for strings.HasPrefix(path, t.root) && os.Remove(path) == nil {
		delete(t.directories, path)
		path = filepath.Dir(path)
	}
	if d, ok := t.directories[path]; ok {
		d.Touch()
	}
}

// Settle makes every name in the tree durable.
func (t *Tree) Settle(ctx context.Context) error {
	t.mu.Lock()
	all := slices.Collect(maps.Values(t.directories))
	t.mu.Unlock()

	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(settleWorkers)
	for _, d := range all {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return d.sync()
		})
	}
	return group.Wait()
}
