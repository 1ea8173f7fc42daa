package binarybucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/fhirhose/fhirhose/pipeline"
)

func (d *directory) prove(_ context.Context, c pipeline.Content) error {
	info, err := os.Stat(d.path(c.Key))
	if err != nil {
		return d.fault(err)
	}
	if !isSame(c, info) {
		return changed(opRead, d.root)
	}
	return nil
}

// fault tells a content that is gone from a disk that fails.
func (d *directory) fault(err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return fault(opRead, d.root, err)
	}
	if d.away() {
		return &pipeline.Error{
			Op: opRead, Object: d.root, Kind: pipeline.KindRetryLater, Err: errors.New("the directory is not there, or empty"),
			Hint: "mount it, or put it back, then run the same command again",
		}
	}
	return gone(opRead, d.root)
}

// away tells whether the whole directory is missing, or the disk that was mounted
// there: then no single content is gone.
func (d *directory) away() bool {
	root, err := os.Open(d.root)
	if err != nil {
		return true
	}
	defer func() { _ = root.Close() }() // it was only read
	names, _ := root.Readdirnames(1)
	return len(names) == 0
}

func (d *directory) read(ctx context.Context, c pipeline.Content, offset, n int64) (io.ReadCloser, error) {
	file, err := os.Open(d.path(c.Key))
	if err != nil {
		return nil, d.fault(err)
	}
	r := &fileRange{ctx: ctx, directory: d, content: c, file: file, offset: offset, left: n}
	if err := r.prove(); err != nil {
		_ = file.Close() // nothing was read of it
		return nil, err
	}
	return r, nil
}

// fileRange reads a range of a file, and proves before and after it that the file
// is the one that was listed.
type fileRange struct {
	ctx          context.Context //nolint:containedctx // it belongs to one read
	directory    *directory
	content      pipeline.Content
	file         *os.File
	offset, left int64
}

// prove looks at the open file and at what its name stands for now: a write in
// place shows in the first, a replacement in the second.
func (r *fileRange) prove() error {
	info, err := r.file.Stat()
	if err != nil {
		return r.directory.fault(err)
	}
	if !isSame(r.content, info) {
		return changed(opRead, r.directory.root)
	}
	return r.directory.prove(r.ctx, r.content)
}

func (r *fileRange) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		if err := r.prove(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n, err := r.file.ReadAt(p[:min(int64(len(p)), r.left)], r.offset)
	r.offset += int64(n)
	r.left -= int64(n)
	switch {
	case n > 0, err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return 0, r.directory.fault(err)
	}
	if err := r.prove(); err != nil {
		return 0, err
	}
	return 0, fault(opRead, r.directory.root, io.ErrUnexpectedEOF)
}

func (r *fileRange) Close() error { return bare(r.file.Close()) }
