package binaries

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// named says which listed objects a row names: the one of that number, or, where
// there is more than one, all whose keys begin like its first prefix bytes.
type named struct {
	object int64
	prefix int // 0: just the one
	none   bool
}

// namedBytes is the size of a named in the file, little-endian: 48 bits of the
// object's number, 16 of the prefix.
const namedBytes = 8

// namedFile remembers which objects were named, in a file in `state`: the listing
// may hold more objects than memory has room for their keys. What counts is the
// length that a cut stores.
type namedFile struct {
	path string
	end  int64 // what is in the file or in buf
	buf  []byte
	name bool // is durable
}

// namedHeld is how much is gathered before it is written.
const namedHeld = 256 << 10

func (f *namedFile) add(n named) error {
	if n.none {
		return nil
	}
	f.buf = binary.LittleEndian.AppendUint64(f.buf, uint64(n.object)|uint64(n.prefix)<<48)
	f.end += namedBytes
	if len(f.buf) < namedHeld {
		return nil
	}
	return f.flush()
}

// flush writes what is gathered: the file then holds everything up to end.
func (f *namedFile) flush() error {
	if len(f.buf) == 0 {
		return nil
	}
	if err := durable.WriteAt(f.path, f.end-int64(len(f.buf)), f.buf); err != nil {
		return durable.Failure("write list of named contents", f.path, err)
	}
	f.buf = f.buf[:0]
	return nil
}

// sync makes durable what is in the file.
func (f *namedFile) sync() error {
	err := durable.Sync(f.path)
	if err == nil && !f.name {
		err = durable.SyncDir(filepath.Dir(f.path))
		f.name = err == nil
	}
	return durable.Failure("sync list of named contents", f.path, err)
}

// resume proves that the file holds what the checkpoint knows of it.
func (f *namedFile) resume(end int64) error {
	f.end = end
	if end == 0 {
		return nil
	}
	info, err := os.Stat(f.path)
	if err == nil && info.Size() < end {
		err = fmt.Errorf("it holds %d bytes, %d were written", info.Size(), end)
	}
	if err != nil {
		return output.Damaged(err)
	}
	return nil
}

// each calls f with everything that was named, some at a time.
func (f *namedFile) each(do func([]named) error) (err error) {
	if f.end == 0 {
		return nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return durable.Failure("read list of named contents", f.path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	in := bufio.NewReaderSize(io.LimitReader(file, f.end), namedHeld)
	var entry [namedBytes]byte
	const run = 1 << 16
	some := make([]named, 0, run)
	for range f.end / namedBytes {
		if _, err := io.ReadFull(in, entry[:]); err != nil {
			return durable.Failure("read list of named contents", f.path, err)
		}
		v := binary.LittleEndian.Uint64(entry[:])
		some = append(some, named{object: int64(v & (1<<48 - 1)), prefix: int(v >> 48)})
		if len(some) == run {
			if err := do(some); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return do(some)
}
