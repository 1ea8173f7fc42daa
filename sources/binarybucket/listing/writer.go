package listing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// writeBytes are written at once.
const writeBytes = 1 << 20

// temporary is behind the name of a listing that is not whole.
const temporary = ".tmp"

// writer makes a listing of objects that come in order. What it has written before
// commit lies under a temporary name, which a later writer of the same path
// overwrites.
type writer struct {
	path           string
	levels         []level // 0: the objects; above: first keys of the blocks below
	buffer         []byte
	flushed        int64 // bytes before buffer, in the temporary
	objects, bytes int64
	remark         int64
	last           string
}

// level is the block of one level that is being filled.
type level struct {
	payload     []byte
	first, last string
}

// create begins a listing of what the fingerprint stands for.
func create(path string, of Fingerprint) *writer {
	w := &writer{path: path, levels: make([]level, 1)}
	w.buffer = append(w.buffer, magic...)
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, version)
	w.buffer = append(w.buffer, of[:]...)
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, checksum(w.buffer))
	return w
}

// add adds an object. Its key must be greater, bytewise, than the one before: the
// sorter sees to that, unless a key came twice.
func (w *writer) add(c pipeline.Content) error {
	switch {
	case w.objects > 0 && c.Key <= w.last:
		return ErrTwice
	case len(c.Key) > maxText || len(c.ETag)+len(c.VersionID) > maxText || c.Size < 0:
		return errors.New("an object with a key or an identity that no bucket has")
	}
	leaf := &w.levels[0]
	if len(leaf.payload) == 0 {
		leaf.payload = binary.AppendUvarint(leaf.payload, uint64(w.objects))
		leaf.first, leaf.last = c.Key, ""
	}
	leaf.payload = appendContent(leaf.payload, leaf.last, c)
	leaf.last, w.last = c.Key, c.Key
	w.objects++
	w.bytes += c.Size
	return w.endBlocks()
}

// endBlocks writes the blocks that are full, each of which adds an entry to the
// level above.
func (w *writer) endBlocks() error {
	for i := 0; i < len(w.levels) && len(w.levels[i].payload) >= blockBytes; i++ {
		w.endBlock(i)
	}
	if len(w.buffer) >= writeBytes {
		return w.flush()
	}
	return nil
}

func (w *writer) endBlock(i int) {
	offset, length := w.block(i)
	if i+1 == len(w.levels) {
		w.levels = append(w.levels, level{})
	}
	ended, above := &w.levels[i], &w.levels[i+1]
	if len(above.payload) == 0 {
		above.first, above.last = ended.first, ""
	}
	above.payload = appendKey(above.payload, above.last, ended.first)
	above.payload = binary.AppendUvarint(above.payload, uint64(offset))
	above.payload = binary.AppendUvarint(above.payload, uint64(length))
	above.last = ended.first
	ended.payload = ended.payload[:0]
}

// block appends the block of level i and returns where it lies.
func (w *writer) block(i int) (offset, length int64) {
	payload, begin := w.levels[i].payload, len(w.buffer)
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, uint32(len(payload)))
	w.buffer = append(w.buffer, byte(i))
	w.buffer = append(w.buffer, payload...)
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, checksum(w.buffer[begin:]))
	return w.flushed + int64(begin), int64(len(w.buffer) - begin)
}

func (w *writer) flush() error {
	if err := durable.WriteAt(w.path+temporary, w.flushed, w.buffer); err != nil {
		return err
	}
	w.flushed += int64(len(w.buffer))
	w.buffer = w.buffer[:0]
	return nil
}

// commit ends the listing and gives it its name, durably.
func (w *writer) commit() error {
	offset, length := w.root()
	begin := len(w.buffer)
	for _, v := range []int64{offset, length, w.objects, w.bytes, w.remark} {
		w.buffer = binary.LittleEndian.AppendUint64(w.buffer, uint64(v))
	}
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, checksum(w.buffer[begin:]))
	w.buffer = append(w.buffer, magic...)
	if err := w.flush(); err != nil {
		return err
	}
	if err := durable.Sync(w.path + temporary); err != nil {
		return err
	}
	if err := faultpoint.At("rename"); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	if err := os.Rename(w.path+temporary, w.path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(w.path))
}

// root writes the last block of every level; that of the highest is the root.
func (w *writer) root() (offset, length int64) {
	if w.objects == 0 {
		return 0, 0
	}
	for i := 0; i < len(w.levels)-1; i++ {
		if len(w.levels[i].payload) > 0 {
			w.endBlock(i)
		}
	}
	return w.block(len(w.levels) - 1)
}
