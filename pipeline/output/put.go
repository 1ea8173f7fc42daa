package output

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/fhirhose/fhirhose/pipeline"
)

// sinkWriter is an io.Writer onto a file of the sink, in chunks.
type sinkWriter struct {
	ctx  context.Context
	file pipeline.File
	buf  []byte
}

func (w *sinkWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	if len(w.buf) < chunkBytes {
		return len(p), nil
	}
	return len(p), w.flush()
}

func (w *sinkWriter) flush() error {
	err := w.file.Append(w.ctx, w.buf)
	w.buf = w.buf[:0]
	return err
}

// teeHash hashes what it writes.
type teeHash struct {
	*sinkWriter
	sum hash.Hash
}

func (t *teeHash) Write(p []byte) (int, error) {
	t.sum.Write(p)
	return t.sinkWriter.Write(p)
}

// Put writes one whole file of a tenant, beside the pipeline or after its end.
func (o *Output) Put(ctx context.Context, tenant, name string, write func(io.Writer) error) error {
	sum := sha256.New()
	file := o.sinks.Of(tenant).Create(name)
	out := &sinkWriter{ctx: ctx, file: file}
	w := bufio.NewWriter(&teeHash{out, sum})
	if err := errors.Join(write(w), w.Flush(), out.flush()); err != nil {
		return err
	}
	return file.Seal(ctx, [32]byte(sum.Sum(nil)))
}
