package binarybucket

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

const (
	// rangesPerSave ranges are copied before they are made durable and noted.
	rangesPerSave = 8
	copyBytes     = 256 << 10
)

// Stage implements [pipeline.Contents]. A whole copy that lies at path is taken
// for that of c if it has its size and its time: each object has a path of its
// own.
func (s *Source) Stage(ctx context.Context, c pipeline.Content, path string) error {
	if err := s.at("stage"); err != nil {
		return err
	}
	if isWhole(path, c) {
		return fault(opStage, s.place.name(), remove(path+progressSuffix))
	}
	g := &staging{source: s, content: c, path: path}
	err := g.copy(ctx)
	switch {
	case err == nil:
		return s.at("staged")
	case errors.Is(err, pipeline.ErrContentChanged), errors.Is(err, pipeline.ErrContentGone):
		return errors.Join(err, fault(opStage, s.place.name(), g.discard()))
	default:
		return fault(opStage, s.place.name(), err)
	}
}

func (s *Source) at(point string) error {
	return fault(opStage, s.place.name(), faultpoint.At(point))
}

// isWhole: the time of a copy is that of the object, see settle.
func isWhole(path string, c pipeline.Content) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() == c.Size && info.ModTime().UnixNano() == c.Modified.UnixNano()
}

// staging is one copy that is being made.
type staging struct {
	source  *Source
	content pipeline.Content
	path    string
	file    *os.File

	mu       sync.Mutex
	progress progress
	unsaved  int // ranges of progress that are not noted yet
}

func (g *staging) partial() string { return g.path + ".part" }

func (g *staging) discard() error {
	return errors.Join(remove(g.path+progressSuffix), remove(g.partial()))
}

func (g *staging) copy(ctx context.Context) error {
	if g.content.Size == 0 {
		if err := g.source.place.prove(ctx, g.content); err != nil {
			return err
		}
	}
	if err := g.begin(); err != nil {
		return err
	}
	err := g.copyRanges(ctx)
	if err != nil && g.unsaved > 0 {
		_ = g.save() // or it is read again
	}
	if err == nil {
		err = g.settle()
	}
	return errors.Join(err, g.file.Close())
}

// begin opens the partial copy, with what an earlier process has noted of it.
func (g *staging) begin() (err error) {
	g.progress = newProgress(g.content, g.source.options.RangeBytes)
	flags := os.O_WRONLY
	if !g.progress.load(g.path, g.partial()) {
		// What is noted of another copy must not outlive it.
		if err := remove(g.path + progressSuffix); err != nil {
			return err
		}
		if err := durable.SyncDir(filepath.Dir(g.path)); err != nil {
			return err
		}
		flags |= os.O_CREATE | os.O_TRUNC
	}
	g.file, err = os.OpenFile(g.partial(), flags, 0o600)
	return err
}

func (g *staging) copyRanges(ctx context.Context) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(cap(g.source.streams))
	for _, i := range g.progress.missing() {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return g.copyRange(within, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (g *staging) copyRange(ctx context.Context, i int) error {
	select {
	case g.source.streams <- struct{}{}:
		defer func() { <-g.source.streams }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := faultpoint.At("range"); err != nil {
		return err
	}
	offset, n := g.progress.span(i)
	r, err := g.source.place.read(ctx, g.content, offset, n)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(&writerAt{g.file, offset}, struct{ io.Reader }{r}, make([]byte, min(copyBytes, n)))
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	return g.done(i)
}

func (g *staging) done(i int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.progress.add(i)
	if g.unsaved++; g.unsaved < rangesPerSave {
		return nil
	}
	return g.save()
}

// save notes what is copied, once it is durable.
func (g *staging) save() error {
	if err := durable.Sync(g.partial()); err != nil {
		return err
	}
	g.unsaved = 0
	return g.progress.save(g.path)
}

// settle gives the whole copy its name, and the object's time as a proof of whose
// copy it is.
func (g *staging) settle() error {
	if err := os.Chtimes(g.partial(), g.content.Modified, g.content.Modified); err != nil {
		return err
	}
	if err := durable.Sync(g.partial()); err != nil {
		return err
	}
	if err := faultpoint.At("rename"); err != nil {
		return err
	}
	if err := os.Rename(g.partial(), g.path); err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(g.path)); err != nil {
		return err
	}
	return remove(g.path + progressSuffix)
}

// writerAt writes from an offset on.
type writerAt struct {
	file   *os.File
	offset int64
}

func (w *writerAt) Write(p []byte) (int, error) {
	if err := faultpoint.At("write"); err != nil {
		return 0, err
	}
	n, err := w.file.WriteAt(p, w.offset)
	w.offset += int64(n)
	return n, err
}
