package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/sinks/tree"
)

const (
	claimName     = "_fhirhose/claim.json"
	announceName  = "migration_output.json"
	claimLimit    = 1 << 20
	claimAttempts = 10
	claimPause    = 50 * time.Millisecond
	defaultFlight = 16
)

// PartBytes is the default of Options.PartSize.
const PartBytes = 8 << 20

// Options of a bucket sink.
type Options struct {
	Store *objectstore.Store // its location is the job's folder
	Tails string             // local directory for tails; this sink's alone; it must survive a restart

	KMSKey        string // "": the bucket's default encryption
	Unconditional bool   // the service knows no conditional writes: look before writing instead
	PartSize      int64  // 8 MiB; a multiple of 64; S3 takes no part below 5 MiB but the last
	Transfers     int    // parts and files sent at the same time; 16
	Hot           int    // parts that are gathered in memory, and sent from there, at most; the others are in tails
}

// Sink is a prefix of a bucket. It is safe for concurrent use; each of its
// files is not.
type Sink struct {
	ctx   context.Context //nolint:containedctx // of the transfers, which outlive the Append that begins them
	store *objectstore.Store
	write objectstore.WriteOptions
	part  int64
	tails string
	names *tree.Tree
	again atomic.Bool // this is not the job's first process

	flight    chan struct{}   // a token for each transfer
	hot       chan []byte     // empty buffers for parts, not in use; nil ones are not made yet
	transfers *sync.WaitGroup // those beside Append
	trash     trash
}

var _ pipeline.Sink = (*Sink)(nil)

// Open returns the sink of one job. Transfers end when ctx does.
func Open(ctx context.Context, o Options) (*Sink, error) {
	tails, err := filepath.Abs(o.Tails)
	if err != nil {
		return nil, durable.Failure("open sink", o.Tails, err)
	}
	if o.PartSize == 0 {
		o.PartSize = PartBytes
	}
	if o.Transfers == 0 {
		o.Transfers = defaultFlight
	}
	s := &Sink{
		ctx: ctx, store: o.Store, part: o.PartSize, tails: tails, names: tree.New(tails),
		write:  objectstore.WriteOptions{KMSKey: o.KMSKey, Conditional: !o.Unconditional},
		flight: make(chan struct{}, o.Transfers), transfers: new(sync.WaitGroup), hot: make(chan []byte, o.Hot),
	}
	for range o.Hot {
		s.hot <- nil
	}
	return s, nil
}

// Beside returns the sink of another prefix of the bucket, with tails of its own.
// Both together send no more at the same time than one alone and have no more in
// memory, and Close of either waits for both.
func (s *Sink) Beside(prefix, tails string) (*Sink, error) {
	tails, err := filepath.Abs(tails)
	if err != nil {
		return nil, durable.Failure("open sink", tails, err)
	}
	return &Sink{
		ctx: s.ctx, store: s.store.Beside(prefix), part: s.part, tails: tails, names: tree.New(tails),
		write: s.write, flight: s.flight, transfers: s.transfers, hot: s.hot,
	}, nil
}

// Close waits for transfers. Cancel Open's context first to cut them short.
func (s *Sink) Close() { s.transfers.Wait() }

// Claim implements [pipeline.Sink].
func (s *Sink) Claim(ctx context.Context, claim []byte) error {
	sum := sha256.Sum256(claim)
	var existing []byte
	for attempt := 1; ; attempt++ {
		err := s.put(ctx, claimName, bytes.NewReader(claim), int64(len(claim)), sum)
		if err == nil || !errors.Is(err, objectstore.ErrPrecondition) {
			return err
		}
		existing, err = s.store.Get(ctx, s.key(claimName), claimLimit)
		if err == nil {
			break
		}
		// Taken, but not there: removed in between, or by a look-alike that makes
		// an object in two steps not shown yet.
		if !errors.Is(err, objectstore.ErrNotFound) || attempt == claimAttempts {
			return err
		}
		select {
		case <-time.After(claimPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !bytes.Equal(existing, claim) {
		return &pipeline.Error{
			Op: "claim", Object: s.store.Location().String(), Kind: pipeline.KindClaimed,
			Err: errors.New("the prefix belongs to another run"), Hint: "choose another job name or sink",
		}
	}
	s.again.Store(true)
	return nil
}

// put writes a whole object. A name that is taken is ErrPrecondition.
func (s *Sink) put(ctx context.Context, name string, body io.ReadSeeker, size int64, sum [32]byte) error {
	if err := s.look(ctx, name); err != nil {
		return err
	}
	return s.store.Put(ctx, s.key(name), body, size, base64.StdEncoding.EncodeToString(sum[:]), s.write)
}

// look is the condition of a write where the service knows none.
func (s *Sink) look(ctx context.Context, name string) error {
	if s.write.Conditional {
		return nil
	}
	switch _, err := s.store.Head(ctx, s.key(name)); {
	case errors.Is(err, objectstore.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return objectstore.ErrPrecondition
}

// Create implements [pipeline.Sink].
func (s *Sink) Create(name string) pipeline.File { return s.Resume(name, 0, nil) }

// Resume implements [pipeline.Sink].
func (s *Sink) Resume(name string, size int64, state json.RawMessage) pipeline.File {
	return &file{sink: s, name: name, key: s.key(name), size: size, resumed: state}
}

// Settle implements [pipeline.Sink]. The names in a bucket are durable as they
// appear; here tails go that no checkpoint can need any more.
func (s *Sink) Settle(context.Context) error {
	return durable.Failure("remove tails in", s.tails, s.trash.empty())
}

// Free implements [pipeline.Sink]: a bucket has no bound.
func (s *Sink) Free() int64 { return -1 }

// Reader implements [pipeline.Sink].
func (s *Sink) Reader(ctx context.Context, name string) (pipeline.FileReader, error) {
	info, err := s.store.Head(ctx, s.key(name))
	if err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, store: s.store, key: s.key(name), info: info}, nil
}

// reader reads ranges of one object, as long as it is the same object.
type reader struct {
	ctx   context.Context //nolint:containedctx // io.ReaderAt takes none
	store *objectstore.Store
	key   string
	info  objectstore.Info
}

func (r *reader) Size() int64  { return r.info.Size }
func (r *reader) Close() error { return nil }

func (r *reader) ReadAt(p []byte, offset int64) (int, error) {
	n := int(min(int64(len(p)), max(0, r.info.Size-offset)))
	if err := r.store.GetRange(r.ctx, r.key, r.info.ETag, offset, p[:n]); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *Sink) key(name string) string { return s.store.Location().Key(name) }

// tail returns the path of the tail of a part.
func (s *Sink) tail(name, part string) string {
	return filepath.Join(s.tails, filepath.FromSlash(path.Clean("/"+name))) + "." + part
}

// take waits for a transfer to be free. The function gives it back.
func (s *Sink) take(ctx context.Context) (release func(), err error) {
	select {
	case s.flight <- struct{}{}:
		return func() { <-s.flight }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// warm returns an empty buffer of a part's size, or nil if all are in use. Whoever
// has it calls cool.
func (s *Sink) warm() []byte {
	select {
	case b := <-s.hot:
		if b == nil {
			b = make([]byte, 0, s.part)
		}
		return b
	default:
		return nil
	}
}

// cool gives a buffer back; nil is none.
func (s *Sink) cool(b []byte) {
	if b != nil {
		s.hot <- b[:0] // has a place for each
	}
}

// abort drops the unfinished uploads under prefix that ours chooses.
func (s *Sink) abort(ctx context.Context, prefix string, ours func(objectstore.Upload) bool) error {
	uploads, err := s.store.Uploads(ctx, prefix)
	if err != nil {
		return err
	}
	for _, u := range uploads {
		if strings.HasPrefix(u.Key, prefix) && ours(u) {
			if err := s.store.AbortUpload(ctx, u.Key, u.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
