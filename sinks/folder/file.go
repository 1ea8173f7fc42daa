package folder

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/sinks/tree"
)

// file is one file of the job. The pipeline's goroutine owns all fields but
// sealed, which Mark's functions share with Seal.
type file struct {
	sink           *Sink
	name           string
	final, partial string // paths

	size     int64
	dir      *tree.Directory // nil until prepare
	complete bool            // the final name was there already: Appends are swallowed, Seal compares

	mu     sync.Mutex // Seal renames, Mark's function syncs: one at a time
	sealed bool
}

var _ pipeline.File = (*file)(nil)

// Append implements [pipeline.File].
func (f *file) Append(_ context.Context, p []byte) error {
	if err := f.prepare(); err != nil {
		return durable.Failure("append to", f.name, err)
	}
	if !f.complete && len(p) > 0 {
		if err := durable.WriteAtBy(writeAtUncached, f.partial, f.size, p); err != nil {
			return durable.Failure("append to", f.name, err)
		}
		if f.size == 0 {
			f.dir.Touch()
		}
	}
	f.size += int64(len(p))
	return nil
}

// Last implements [pipeline.File].
func (f *file) Last(_ context.Context, n int) ([]byte, error) {
	if err := f.prepare(); err != nil {
		return nil, durable.Failure("read the end of", f.name, err)
	}
	path := f.partial
	if f.complete {
		path = f.final
	}
	last := make([]byte, n)
	err := durable.ReadAt(path, f.size-int64(n), last)
	if errors.Is(err, io.EOF) {
		return nil, disagree(path, fmt.Errorf("the checkpoint knows %d bytes of it, the sink less", f.size))
	}
	return last, durable.Failure("read the end of", f.name, err)
}

// prepare is done once, before the first byte: the directory exists, and the
// temporary is exactly as long as the checkpoint remembers it.
//
// The final name is looked for first. A process killed within RenameNew leaves
// two names of one file, and cutting the temporary would cut what is visible
// (I8).
func (f *file) prepare() error {
	if f.dir != nil {
		return nil
	}
	dir, err := f.sink.names.Directory(filepath.Dir(f.final))
	if err != nil {
		return err
	}
	_, err = os.Lstat(f.final)
	switch {
	case err == nil:
		f.complete = true
		dir.Touch() // the name's maker may not have come to the sync
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case f.size > 0:
		if err := cut(f.partial, f.size); err != nil {
			return err
		}
	}
	f.dir = dir
	return nil
}

// cut takes a temporary back to its committed size.
func cut(partial string, size int64) error {
	info, err := os.Lstat(partial)
	if errors.Is(err, fs.ErrNotExist) {
		return disagree(partial, fmt.Errorf("the checkpoint knows %d bytes of it, the sink none", size))
	}
	if err != nil {
		return err
	}
	if info.Size() < size {
		return disagree(partial, fmt.Errorf("the checkpoint knows %d bytes of it, the sink only %d", size, info.Size()))
	}
	if info.Size() == size {
		return nil
	}
	if err := faultpoint.At("truncate"); err != nil {
		return err
	}
	return os.Truncate(partial, size)
}

// Mark implements [pipeline.File].
func (f *file) Mark() func(context.Context) (json.RawMessage, error) {
	dir, complete, empty := f.dir, f.complete, f.size == 0
	return func(context.Context) (json.RawMessage, error) {
		if dir == nil || empty {
			return nil, nil // nothing was added to what the checkpoint knows
		}
		if err := f.sync(complete); err != nil {
			return nil, durable.Failure("sync", f.name, err)
		}
		// The bytes need a durable name too, or a power cut loses both.
		if err := dir.Settle(); err != nil {
			return nil, durable.Failure("sync directory of", f.name, err)
		}
		return nil, nil
	}
}

func (f *file) sync(complete bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if complete || f.sealed {
		return nil // Seal synced the bytes before it renamed
	}
	return durable.Sync(f.partial)
}

// Seal implements [pipeline.File]. The new name is durable after Settle.
func (f *file) Seal(ctx context.Context, sum [32]byte) error {
	if err := f.prepare(); err != nil {
		return durable.Failure("seal", f.name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := f.complete
	if !taken {
		err := f.rename()
		taken = errors.Is(err, fs.ErrExist)
		if err != nil && !taken {
			return durable.Failure("seal", f.name, err)
		}
	}
	if taken {
		if err := f.compare(ctx, sum); err != nil {
			return durable.Failure("seal", f.name, err)
		}
		if err := os.Remove(f.partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return durable.Failure("seal", f.name, err)
		}
	}
	f.dir.Touch()
	f.sealed = true
	return nil
}

// rename makes the bytes durable before the name appears (I8). It returns
// fs.ErrExist, having changed nothing, if the name is taken.
func (f *file) rename() error {
	if f.size == 0 { // no Append has made it
		if err := durable.WriteAt(f.partial, 0, nil); err != nil {
			return err
		}
	}
	if err := durable.Sync(f.partial); err != nil {
		return err
	}
	if err := durable.RenameNew(f.partial, f.final); err != nil {
		return err
	}
	f.sealed = true // whatever comes, Mark's function would find no temporary
	return faultpoint.At("sealed")
}

// compare proves that the file under the final name is the one that was to be
// sealed (I2).
func (f *file) compare(ctx context.Context, sum [32]byte) (err error) {
	existing, err := os.Open(f.final)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, existing.Close()) }()
	info, err := existing.Stat()
	if err != nil {
		return err
	}
	if info.Size() != f.size {
		return f.strange(fmt.Errorf("the sink holds another file of this name, of %d instead of %d bytes", info.Size(), f.size))
	}
	digest := sha256.New()
	buffer := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := existing.Read(buffer)
		digest.Write(buffer[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if [32]byte(digest.Sum(nil)) != sum {
		return f.strange(errors.New("the sink holds another file of this name, with other content"))
	}
	return nil
}

// disagree is a state of the sink that no kill of ours can have left.
func disagree(partial string, err error) error {
	return &pipeline.Error{
		Op: "resume", Object: partial, Kind: pipeline.KindFatal, Err: err,
		Hint: "state and sink disagree; put back the sink's files, or use move --restart",
	}
}

func (f *file) strange(err error) error {
	return &pipeline.Error{
		Op: "seal", Object: f.name, Kind: pipeline.KindFatal, Err: err,
		Hint: "somebody else wrote into the job's folder; move that file away, or use another sink",
	}
}
