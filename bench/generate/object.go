package generate

import (
	"bufio"
	"crypto/md5"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// objectWriter writes one data file.
type objectWriter struct {
	object Object
	file   *os.File
	out    *bufio.Writer
	zip    *gzip.Writer
	sum    hash.Hash
	buffer []byte // decompressed bytes that wait for the compressor
}

const objectBuffer = 256 << 10

func createObject(path, key string, level int) (*objectWriter, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &objectWriter{file: file, sum: md5.New(), out: bufio.NewWriterSize(file, objectBuffer)}
	w.object = Object{Key: key, Path: path}
	w.zip, err = gzip.NewWriterLevel(w.compressed(), level)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return w, nil
}

// compressed takes what the compressor gives.
func (w *objectWriter) compressed() io.Writer { return io.MultiWriter(w.out, w.sum) }

// line ends the current line with the given bytes.
func (w *objectWriter) line(end []byte) error {
	w.buffer = append(append(w.buffer, end...), '\n')
	w.object.Items++
	return w.flush(objectBuffer)
}

// write adds to the current line.
func (w *objectWriter) write(part []byte) error {
	w.buffer = append(w.buffer, part...)
	return w.flush(objectBuffer)
}

func (w *objectWriter) flush(atLeast int) error {
	if len(w.buffer) < atLeast {
		return nil
	}
	w.object.Bytes += int64(len(w.buffer))
	_, err := w.zip.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return err
}

// nextMember ends the gzip member and begins another.
func (w *objectWriter) nextMember() error {
	if err := w.flush(0); err != nil {
		return err
	}
	if err := w.zip.Close(); err != nil {
		return err
	}
	w.zip.Reset(w.compressed())
	return nil
}

// close completes the file and its description. It is called once, with the
// error of the writing so far, which it returns.
func (w *objectWriter) close(err error) (Object, error) {
	for _, step := range []func() error{func() error { return w.flush(0) }, w.zip.Close, w.out.Flush} {
		if err == nil {
			err = step()
		}
	}
	info, statErr := w.file.Stat()
	if closeErr := w.file.Close(); err == nil {
		err = closeErr
	}
	if err != nil || statErr != nil {
		return Object{}, firstError(err, statErr)
	}
	w.object.Compressed = info.Size()
	w.sum.Sum(w.object.MD5[:0])
	return w.object, nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
