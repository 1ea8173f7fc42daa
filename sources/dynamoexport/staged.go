package dynamoexport

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fhirhose/fhirhose/pipeline"
)

// hashBytes is read at once while hashing.
const hashBytes = 256 << 10

// staged is an object whose local file has been verified.
type staged struct {
	source   *Source
	number   int
	path     string
	verified identity
}

var _ pipeline.Staged = (*staged)(nil)

// Open returns the compressed bytes; its Close proves that they were those that
// had been verified (I9).
func (s *staged) Open() (io.ReadCloser, error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, fault("open", s.object(), err)
	}
	return &verifiedFile{File: file, staged: s}, nil
}

func (s *staged) object() string { return s.source.objects[s.number].Key }

type verifiedFile struct {
	*os.File
	staged *staged
}

// Close looks at the open file and at what its name stands for now: a write in
// place shows in the first, a replacement in the second.
func (f *verifiedFile) Close() error {
	opened, openedErr := f.Stat()
	named, namedErr := os.Stat(f.staged.path)
	if err := errors.Join(openedErr, f.File.Close()); err != nil {
		return fault("read", f.staged.object(), err)
	}
	if namedErr != nil || identityOf(opened) != f.staged.verified || identityOf(named) != f.staged.verified {
		return changed(f.staged.object())
	}
	return nil
}

// hash returns the MD5 of a local file and the identity that it had before and
// after. It calls progress with the bytes read.
func hash(ctx context.Context, object, path string, progress func(int64)) (sum [16]byte, id identity, err error) {
	file, err := os.Open(path)
	if err != nil {
		return sum, id, fault("open", object, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	before, err := file.Stat()
	if err != nil {
		return sum, id, fault("read", object, err)
	}
	digest, buffer := md5.New(), make([]byte, hashBytes)
	for {
		if err := ctx.Err(); err != nil {
			return sum, id, err
		}
		n, err := file.Read(buffer)
		digest.Write(buffer[:n])
		progress(int64(n))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sum, id, fault("read", object, err)
		}
	}
	after, err := os.Stat(path)
	if err != nil {
		return sum, id, fault("read", object, err)
	}
	id = identityOf(before)
	if identityOf(after) != id {
		return sum, id, changed(object)
	}
	return [16]byte(digest.Sum(nil)), id, nil
}

// mismatch says that an object is not what the manifest promises.
func mismatch(object string, want, got [16]byte) error {
	return &pipeline.Error{
		Op: "verify", Object: object, Kind: pipeline.KindFatal,
		Err:  fmt.Errorf("MD5 mismatch: the manifest says %x, found %x", want, got),
		Hint: hintCopy,
	}
}
