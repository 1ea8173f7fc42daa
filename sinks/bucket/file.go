package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/sinks/tree"
)

// file is one file of the job. The pipeline's goroutine owns the fields of the
// first group; transfers and Mark's functions share the others.
type file struct {
	sink    *Sink
	name    string
	key     string
	resumed json.RawMessage // what the checkpoint knows, until prepare has read it
	dir     *tree.Directory // of the tails; nil until prepare
	size    int64
	parts   []*part         // those that are complete, sent or being sent
	before  objectstore.CRC // of the bytes of parts
	tail    int64           // bytes that have come of the next part, 1 to PartSize unless the file is empty
	tailCRC objectstore.CRC // of those
	hot     []byte          // those, where they are gathered in memory; else nil
	stored  int64           // how many of hot are in the tail too
	marked  bool            // a checkpoint may point into the next part
	kept    []string        // tails of parts into which a checkpoint may point

	complete atomic.Bool // the final name was there already: Appends are swallowed, Seal compares
	upload   upload

	mu     sync.Mutex // Seal removes tails, Mark's function syncs one: one at a time
	sealed bool
}

var _ pipeline.File = (*file)(nil)

// state is what Mark's function returns.
type state struct {
	Upload string             `json:"upload,omitempty"`
	Parts  []objectstore.Part `json:"parts,omitempty"`    // acknowledged, from the first
	Before objectstore.CRC    `json:"crc,omitempty"`      // of the bytes of Parts
	Tail   objectstore.CRC    `json:"tail_crc,omitempty"` // of the bytes that follow, in the tail
}

// prepare is done once, before the first byte. A file of the checkpoint goes
// back to its committed size; if an earlier process has sealed it since, only
// the comparison is left.
func (f *file) prepare(ctx context.Context) error {
	if f.dir != nil {
		return nil
	}
	dir, err := f.sink.names.Directory(filepath.Dir(f.tailPath(0)))
	if err != nil {
		return err
	}
	if f.size > 0 {
		if err := f.restore(ctx); err != nil {
			return err
		}
	}
	f.dir = dir
	return nil
}

func (f *file) restore(ctx context.Context) error {
	var known state
	if err := json.Unmarshal(f.resumed, &known); err != nil {
		return unreadable(f.name)
	}
	for _, p := range known.Parts {
		f.parts = append(f.parts, acknowledged(p))
	}
	f.upload = upload{id: known.Upload, sure: true}
	f.before, f.tailCRC = known.Before, known.Tail
	f.tail = f.size - int64(len(known.Parts))*f.sink.part
	f.marked = true

	switch _, err := f.sink.store.Head(ctx, f.key); {
	case err == nil:
		f.complete.Store(true)
		return nil
	case !errors.Is(err, objectstore.ErrNotFound):
		return err
	}
	return cut(f.tailPath(len(f.parts)), f.tail)
}

func unreadable(name string) error {
	return &pipeline.Error{
		Op: "resume", Object: name, Kind: pipeline.KindCheckpoint,
		Err: errors.New("the checkpoint's note on the file cannot be read"), Hint: "use move --restart",
	}
}

// Last implements [pipeline.File]. The bytes are in the tail, which begins at a
// multiple of 64, or, if the file was sealed since the checkpoint, in the bucket.
func (f *file) Last(ctx context.Context, n int) ([]byte, error) {
	last := make([]byte, n)
	err := f.last(ctx, last)
	return last, durable.Failure("read the end of", f.name, err)
}

func (f *file) last(ctx context.Context, p []byte) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	if !f.complete.Load() {
		return durable.ReadAt(f.tailPath(len(f.parts)), f.tail-int64(len(p)), p)
	}
	object, err := f.sink.Reader(ctx, f.name)
	if err != nil {
		return err
	}
	if object.Size() < f.size {
		return errors.Join(strange(f.name, fmt.Errorf("the sink holds another file of this name, of only %d bytes", object.Size())), object.Close())
	}
	_, err = object.ReadAt(p, f.size-int64(len(p)))
	return errors.Join(err, object.Close())
}

// Append implements [pipeline.File]. It blocks while all transfers are busy.
func (f *file) Append(ctx context.Context, p []byte) error {
	if err := f.append(ctx, p); err != nil {
		return durable.Failure("append to", f.name, err)
	}
	return nil
}

func (f *file) append(ctx context.Context, p []byte) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	for len(p) > 0 {
		if f.tail == f.sink.part {
			if err := f.nextPart(ctx); err != nil {
				return err
			}
		}
		n := min(f.sink.part-f.tail, int64(len(p)))
		if !f.complete.Load() {
			if err := f.gather(p[:n]); err != nil {
				return err
			}
		}
		f.tailCRC = f.tailCRC.Add(p[:n])
		f.tail += n
		f.size += n
		p = p[n:]
	}
	return nil
}

// gather adds bytes of one part: in memory, if there was room for it when it
// began, else in its tail. A first part is always in a tail: memory is for files
// that grow fast, not for the many that never get a second one.
func (f *file) gather(p []byte) error {
	if f.tail == 0 && len(f.parts) > 0 {
		f.hot, f.stored = f.sink.warm(), 0
	}
	if f.hot != nil {
		f.hot = append(f.hot, p...)
		return nil
	}
	return f.writeTail(f.tail, p)
}

func (f *file) writeTail(offset int64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if err := durable.WriteAt(f.tailPath(len(f.parts)), offset, p); err != nil {
		return err
	}
	if offset == 0 {
		f.dir.Touch()
	}
	return nil
}

// storeHot writes to the tail what only memory has.
func (f *file) storeHot() error {
	if f.hot == nil || f.complete.Load() {
		return nil
	}
	if err := f.writeTail(f.stored, f.hot[f.stored:]); err != nil {
		return err
	}
	f.stored = int64(len(f.hot))
	return nil
}

// nextPart hands a complete part to a transfer and begins the next.
func (f *file) nextPart(ctx context.Context) error {
	path := f.tailPath(len(f.parts))
	p := &part{
		number: len(f.parts) + 1, path: path, hot: f.hot, size: f.tail, crc: f.tailCRC, keep: f.marked, done: make(chan struct{}),
	}
	f.hot = nil
	if f.complete.Load() {
		f.sink.cool(p.hot)
		close(p.done)
	} else if err := f.send(ctx, p); err != nil {
		return err
	}
	if p.keep {
		f.kept = append(f.kept, path)
	}
	f.parts = append(f.parts, p)
	f.before = f.before.Join(f.tailCRC, f.tail)
	f.tail, f.tailCRC, f.marked = 0, 0, false
	return nil
}

// Mark implements [pipeline.File].
func (f *file) Mark() func(context.Context) (json.RawMessage, error) {
	if f.dir == nil || f.size == 0 { // nothing was added to what the checkpoint knows
		known := f.resumed
		return func(context.Context) (json.RawMessage, error) { return known, nil }
	}
	f.marked = true
	if err := f.storeHot(); err != nil {
		return func(context.Context) (json.RawMessage, error) {
			return nil, durable.Failure("make durable", f.name, err)
		}
	}
	m := mark{
		file: f, dir: f.dir, parts: f.parts[:len(f.parts):len(f.parts)], before: f.before, tail: f.tailCRC,
		path: f.tailPath(len(f.parts)), superseded: f.kept,
	}
	f.kept = nil
	return func(ctx context.Context) (json.RawMessage, error) {
		state, err := m.durable(ctx)
		return state, durable.Failure("make durable", f.name, err)
	}
}

// mark is a file at one size: the parts that it has by then, and its tail.
type mark struct {
	file         *file
	dir          *tree.Directory
	parts        []*part
	before, tail objectstore.CRC
	path         string   // of the tail
	superseded   []string // tails that only earlier checkpoints point into
}

func (m mark) durable(ctx context.Context) (json.RawMessage, error) {
	cut := m.file.sink.trash.cut()
	if err := m.file.wait(ctx, m.parts); err != nil {
		return nil, err
	}
	if err := m.sync(); err != nil {
		return nil, err
	}
	note := state{Upload: m.file.upload.known(), Before: m.before, Tail: m.tail}
	for _, p := range m.parts {
		note.Parts = append(note.Parts, p.ack)
	}
	m.file.sink.trash.add(cut, m.superseded)
	return json.Marshal(note)
}

func (m mark) sync() error {
	f := m.file
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealed || f.complete.Load() {
		return nil // the whole file is in the bucket
	}
	if err := durable.Sync(m.path); err != nil {
		return err
	}
	return m.dir.Settle()
}

func (f *file) tailPath(part int) string { return f.sink.tail(f.name, strconv.Itoa(part)) }

// cut takes a tail back to its committed size.
func cut(path string, size int64) error {
	info, err := os.Lstat(path)
	if err != nil || info.Size() < size {
		return &pipeline.Error{
			Op: "resume", Object: filepath.Base(path), Kind: pipeline.KindFatal,
			Err:  errors.New("state and sink disagree: bytes that the checkpoint knows are in neither"),
			Hint: "put the state directory back as it was, or use move --restart",
		}
	}
	if info.Size() == size {
		return nil
	}
	return os.Truncate(path, size)
}
