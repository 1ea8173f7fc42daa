package pipeline

import (
	"context"
	"encoding/json"
	"io"
)

// Sink is where files come to rest. Names are slash-separated and relative to
// the job's folder, e.g. "v1-0/Patient-v1-00000.ndjson".
//
// One suite in sinks/sinktest holds every sink to this contract.
type Sink interface {
	// Claim creates _fhirhose/claim.json with these bytes unless it exists.
	// It returns nil if the sink holds exactly these bytes afterwards, and a
	// KindClaimed error, changing nothing, if it holds others.
	Claim(ctx context.Context, claim []byte) error

	// Create returns a new, empty file. It does no I/O.
	Create(name string) File

	// Resume returns a file as a checkpoint remembers it: size bytes are
	// durable, and state is what Mark's function returned for them. It does no
	// I/O; bytes beyond size are cut off or overwritten by later Appends. If
	// the file was sealed after that checkpoint, Appends are swallowed and
	// Seal compares.
	Resume(name string, size int64, state json.RawMessage) File

	// Settle makes durable every name for which Seal has returned: one
	// directory sync for many files. Each cut calls it once, after the
	// functions that Mark returned and before the checkpoint is committed; cuts
	// do not overlap. By that a sink knows what no checkpoint needs any more.
	Settle(ctx context.Context) error

	// Sweep removes what an unclean stop of this run has left behind:
	// temporaries and uploads that belong to none of the given files. It is
	// called once, after Claim and before any Append, by every process of a job
	// but its first; also by one that finds no cut in the checkpoint, with no
	// files. It never touches what another run made. open holds the names and
	// states of all files that the checkpoint knows to be open.
	Sweep(ctx context.Context, open map[string]json.RawMessage) error

	// Reader opens a sealed file for reading at any offset.
	Reader(ctx context.Context, name string) (FileReader, error)

	// List calls f for every file below the job's folder, in any order and
	// whoever made it. Only `move --restart` lists.
	List(ctx context.Context, f func(Listed) error) error

	// Remove deletes sealed or unfinished files of this run, by the names that
	// List gives; an absent one is no error. What it has deleted stays so: it is
	// durable on return. An error may leave some of the files.
	Remove(ctx context.Context, names ...string) error

	// Free returns the bytes that are left for files, or -1 if the sink knows
	// no bound.
	Free() int64
}

// Listed is what a sink holds under one name.
type Listed struct {
	Name       string // of an empty directory with a slash at its end
	Size       int64  // bytes; 0 where unknown
	Unfinished bool   // a temporary or an upload, under the name that it would get; a sealed file may exist beside it
	Foreign    bool   // nothing that a sink makes: a link, a device
}

// FileReader reads a sealed file.
type FileReader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// File is one output file while it is written. Append, Mark and Seal are called
// by one goroutine at a time; the function that Mark returns may run beside
// later calls. No call keeps a descriptor open beyond its return: 30,000 files
// are open at once.
type File interface {
	// Last returns the last n bytes of a file that Resume returned, for its
	// SHA-256 to go on from its last whole block: n is less than 64, and no
	// Append or Seal came before. Bytes that the sink should have and has not are
	// KindFatal.
	Last(ctx context.Context, n int) ([]byte, error)

	// Append adds p at the end. It takes what it needs of p before it returns.
	// It may block while the sink's bounded transfers are busy.
	Append(ctx context.Context, p []byte) error

	// Mark remembers the size so far. The function that it returns makes every
	// byte up to there durable (I1), at its final place or in `state`, and
	// returns what Resume needs. It is called at most once, from any goroutine,
	// also after Seal.
	Mark() func(context.Context) (json.RawMessage, error)

	// Seal makes the whole file durable and visible under its name (I8), and
	// never replaces a file (I2): if the name is taken by the same bytes, that
	// is success (an earlier process was killed after sealing), by others it
	// is KindFatal. sum is the SHA-256 of the whole content.
	Seal(ctx context.Context, sum [32]byte) error
}
