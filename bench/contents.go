package main

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// contentShape is a table of nothing but Binary rows, each of version 1, and the
// bucket of their contents, which are all of one size and cannot be compressed.
type contentShape struct {
	objects int
	size    int64
}

func (c contentShape) String() string { return fmt.Sprintf("%dx%d", c.objects, c.size) }

func (c contentShape) bytes() int64 { return int64(c.objects) * c.size }

// contents are such a table and such a bucket on disk.
type contents struct {
	export input
	bucket string // a folder: one file for each row
}

// small returns contents that are kept for the next measurement.
func (s *settings) small(ctx context.Context, shape contentShape) (contents, error) {
	dir := filepath.Join(s.data, "input", "contents-"+shape.String())
	c := contents{bucket: filepath.Join(dir, "bucket")}
	key := generate.Options{Dir: filepath.Join(dir, "export"), Resources: shape.objects}
	var ok bool
	if c.export, ok = cached(key.Dir, key); ok {
		return c, nil
	}
	s.say("generating contents %v", shape)
	if err := os.MkdirAll(c.bucket, 0o755); err != nil {
		return c, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.cores)
	for i := range shape.objects {
		g.Go(func() error { return writeContent(ctx, c.path(i), i, shape.size, io.Discard) })
	}
	if err := g.Wait(); err != nil {
		return c, err
	}
	made, err := writeBinaryRows(key.Dir, shape.objects)
	if err != nil {
		return c, err
	}
	c.export, err = remember("contents "+shape.String(), made, key)
	return c, err
}

// large writes one content below dir, and returns its SHA-256.
func (s *settings) large(ctx context.Context, dir string, size int64) (c contents, sum [sha256.Size]byte, err error) {
	c.bucket = filepath.Join(dir, "bucket")
	if err := os.MkdirAll(c.bucket, 0o755); err != nil {
		return c, sum, err
	}
	s.say("generating a content of %s", megabytes(size))
	hash := sha256.New()
	if err := writeContent(ctx, c.path(0), 0, size, hash); err != nil {
		return c, sum, err
	}
	hash.Sum(sum[:0])
	made, err := writeBinaryRows(filepath.Join(dir, "export"), 1)
	if err != nil {
		return c, sum, err
	}
	c.export, err = remember("content "+megabytes(size), made, generate.Options{})
	return c, sum, err
}

// path is the file of row i's content: <id>_<version>.<extension>.
func (c contents) path(i int) string {
	return filepath.Join(c.bucket, rowID(rowHash(0, i))+"_1.pdf")
}

func writeBinaryRows(dir string, rows int) (generate.Summary, error) {
	r, err := newStoredRow([]byte(`{"resourceType":"Binary","id":"x","contentType":"application/pdf"}`))
	if err != nil {
		return generate.Summary{}, err
	}
	objects := min(4, rows)
	return generate.WriteLines(dir, objects, func(k int, add func([]byte) error) error {
		var line []byte
		for i := k; i < rows; i += objects {
			line = r.appendLine(line[:0], 0, i)
			if err := add(line); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeContent writes the i-th content to a file, and to also.
func writeContent(ctx context.Context, path string, i int, size int64, also io.Writer) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(i))
	from := rand.NewChaCha8(seed)
	to := bufio.NewWriterSize(io.MultiWriter(file, also), 1<<20)
	for left := size; left > 0 && ctx.Err() == nil; left -= 1 << 20 {
		if _, err := io.CopyN(to, from, min(left, 1<<20)); err != nil {
			return err
		}
	}
	if err := to.Flush(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return file.Close()
}

// rowHash decides all of a made row but its body.
func rowHash(copy, i int) [md5.Size]byte { return md5.Sum(fmt.Appendf(nil, "%d/%d", copy, i)) }

func rowID(h [md5.Size]byte) string {
	return fmt.Sprintf("%x-%x-4%x-8%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:])
}
