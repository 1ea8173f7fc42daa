package staging

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/split"
)

// hashBytes is read at once in the first read.
const hashBytes = 256 << 10

// staged is an object whose local file has been read once.
type staged struct {
	object   string // its key
	path     string
	verified identity
	records  int64
}

var _ pipeline.Staged = (*staged)(nil)

// Open returns the object's bytes; its Close proves that they were those that had
// been looked at (I9).
func (s *staged) Open() (io.ReadCloser, error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, fault("open", s.object, err)
	}
	return &verifiedFile{File: file, staged: s}, nil
}

// Records returns how many records the object holds: as promised, or as counted.
func (s *staged) Records() int64 { return s.records }

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
		return fault("read", f.staged.object, err)
	}
	if namedErr != nil || identityOf(opened) != f.staged.verified || identityOf(named) != f.staged.verified {
		return changed(f.staged.object)
	}
	return nil
}

// seen is what the first read of a file tells.
type seen struct {
	identity          // before and after
	md5      [16]byte // of a file of which one is promised
	lines    split.Counter
	crc      objectstore.CRC
}

// look reads a local file once, and calls progress with the bytes read.
func look(ctx context.Context, object, path string, promised bool, progress func(int64)) (seen seen, err error) {
	file, err := os.Open(path)
	if err != nil {
		return seen, fault("open", object, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	before, err := file.Stat()
	if err != nil {
		return seen, fault("read", object, err)
	}
	digest, buffer := md5.New(), make([]byte, hashBytes)
	for {
		if err := ctx.Err(); err != nil {
			return seen, err
		}
		n, err := file.Read(buffer)
		if promised {
			digest.Write(buffer[:n])
		} else {
			seen.lines.Add(buffer[:n])
			seen.crc = seen.crc.Add(buffer[:n])
		}
		progress(int64(n))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return seen, fault("read", object, err)
		}
	}
	after, err := os.Stat(path)
	if err != nil {
		return seen, fault("read", object, err)
	}
	seen.identity, seen.md5 = identityOf(before), [16]byte(digest.Sum(nil))
	if identityOf(after) != seen.identity {
		return seen, changed(object)
	}
	return seen, nil
}

// mismatch says that an object is not what the manifest promises.
func mismatch(object string, want, got [16]byte) error {
	return &pipeline.Error{
		Op: "verify", Object: object, Kind: pipeline.KindFatal,
		Err:  fmt.Errorf("MD5 mismatch: the manifest says %x, found %x", want, got),
		Hint: hintCopy,
	}
}

// wrongCRC says that a copy is not what S3 holds.
func wrongCRC(object string) error {
	return &pipeline.Error{
		Op: "verify", Object: object, Kind: pipeline.KindFatal,
		Err: errors.New("the CRC-64/NVME of its copy is not the one that S3 tells"), Hint: hintCopy,
	}
}
