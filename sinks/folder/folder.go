package folder

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/sinks/tree"
)

const claimName = "_fhirhose/claim.json"

// Options of a folder sink.
type Options struct {
	Dir string // the job's folder, <sink>/<job>; made when first needed
}

// Sink is a directory of a disk. It is safe for concurrent use; each of its
// files is not.
type Sink struct {
	dir   string
	names *tree.Tree
}

var _ pipeline.Sink = (*Sink)(nil)

// Open returns the sink of one job. It writes nothing; a Dir that is something
// else than a directory is a KindConfig error.
func Open(o Options) (*Sink, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, durable.Failure("open sink", o.Dir, err)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, durable.Failure("open sink", dir, err)
	case !info.IsDir():
		return nil, &pipeline.Error{
			Op: "open sink", Object: dir, Kind: pipeline.KindConfig,
			Err: errors.New("not a directory"), Hint: "name a directory in sink.location",
		}
	}
	return &Sink{dir: dir, names: tree.New(dir)}, nil
}

// Claim implements [pipeline.Sink].
func (s *Sink) Claim(_ context.Context, claim []byte) error {
	if err := s.claim(claim); err != nil {
		return durable.Failure("claim", claimName, err)
	}
	existing, err := os.ReadFile(s.path(claimName))
	if err != nil {
		return durable.Failure("read claim", claimName, err)
	}
	if !bytes.Equal(existing, claim) {
		return &pipeline.Error{
			Op: "claim", Object: s.dir, Kind: pipeline.KindClaimed,
			Err: errors.New("the folder belongs to another run"), Hint: "choose another job name or sink",
		}
	}
	return nil
}

// claim puts the bytes under the claim's name unless the name is taken. The
// temporary's name is unique: two processes may claim at the same moment.
func (s *Sink) claim(claim []byte) error {
	final := s.path(claimName)
	dir, err := s.names.Directory(filepath.Dir(final))
	if err != nil {
		return err
	}
	if _, err := os.Lstat(final); err != nil {
		partial := partialPath(final + "." + rand.Text())
		defer func() { _ = os.Remove(partial) }()
		if err := durable.WriteAt(partial, 0, claim); err != nil {
			return err
		}
		if err := durable.Sync(partial); err != nil {
			return err
		}
		if err := durable.RenameNew(partial, final); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	dir.Touch() // also when it was there: its maker may not have come to the sync
	return dir.Settle()
}

// Create implements [pipeline.Sink].
func (s *Sink) Create(name string) pipeline.File {
	return s.Resume(name, 0, nil)
}

// Resume implements [pipeline.Sink]. A folder needs no state but the size.
func (s *Sink) Resume(name string, size int64, _ json.RawMessage) pipeline.File {
	final := s.path(name)
	return &file{sink: s, name: name, final: final, partial: partialPath(final), size: size}
}

// Reader implements [pipeline.Sink].
func (s *Sink) Reader(_ context.Context, name string) (pipeline.FileReader, error) {
	opened, err := os.Open(s.path(name))
	if err != nil {
		return nil, durable.Failure("open", name, err)
	}
	info, err := opened.Stat()
	if err != nil {
		_ = opened.Close()
		return nil, durable.Failure("open", name, err)
	}
	return &reader{File: opened, size: info.Size()}, nil
}

type reader struct {
	*os.File
	size int64
}

func (r *reader) Size() int64 { return r.size }

// Settle implements [pipeline.Sink].
func (s *Sink) Settle(ctx context.Context) error {
	if err := s.names.Settle(ctx); err != nil {
		return durable.Failure("sync directories of", s.dir, err)
	}
	return nil
}

// Free implements [pipeline.Sink]: what statfs says of the folder or, before it
// exists, of its nearest ancestor.
func (s *Sink) Free() int64 {
	return free(existing(s.dir))
}

func (s *Sink) path(name string) string {
	return filepath.Join(s.dir, filepath.FromSlash(path.Clean("/"+name)))
}

const partialSuffix = ".partial"

// partialPath is where a file lies until it is sealed: hidden, beside its final
// name, so that a rename is all that is left to do.
func partialPath(final string) string {
	return filepath.Join(filepath.Dir(final), "."+filepath.Base(final)+partialSuffix)
}

func isPartial(base string) bool {
	return strings.HasPrefix(base, ".") && strings.HasSuffix(base, partialSuffix)
}
