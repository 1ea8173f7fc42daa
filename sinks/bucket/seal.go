package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// Seal implements [pipeline.File].
func (f *file) Seal(ctx context.Context, sum [32]byte) error {
	if err := f.seal(ctx, sum); err != nil {
		return durable.Failure("seal", f.name, err)
	}
	return nil
}

func (f *file) seal(ctx context.Context, sum [32]byte) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	err := f.finish(ctx, sum)
	// Taken: by an earlier process of this job, by an attempt whose answer was
	// lost, or by a stranger.
	taken := f.complete.Load() || errors.Is(err, objectstore.ErrPrecondition) || errors.Is(err, objectstore.ErrNoUpload)
	if taken {
		err = f.compare(ctx, sum, err)
	}
	if err != nil {
		return err
	}
	if err := faultpoint.At("sealed"); err != nil {
		return err
	}
	if err := f.dropUploads(ctx, taken); err != nil {
		return err
	}
	return f.dropTails()
}

// finish makes the object appear, unless it is there already.
func (f *file) finish(ctx context.Context, sum [32]byte) error {
	if f.complete.Load() {
		return nil
	}
	if len(f.parts) == 0 {
		return f.put(ctx, sum)
	}
	if err := f.nextPart(ctx); err != nil {
		return err
	}
	if err := f.wait(ctx, f.parts); err != nil || f.complete.Load() {
		return err
	}
	if err := f.sink.look(ctx, f.name); err != nil {
		return err
	}
	if err := faultpoint.At("complete upload"); err != nil {
		return err
	}
	acks := make([]objectstore.Part, len(f.parts))
	for i, p := range f.parts {
		acks[i] = p.ack
	}
	return f.sink.store.CompleteUpload(ctx, f.key, f.upload.known(), acks, f.size, f.before.Base64(), f.sink.write)
}

// put sends a file that ends within its first part.
func (f *file) put(ctx context.Context, sum [32]byte) (err error) {
	release, err := f.sink.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := faultpoint.At("put"); err != nil {
		return err
	}
	var body io.ReadSeeker = bytes.NewReader(nil)
	if f.size > 0 {
		tail, err := os.Open(f.tailPath(0))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, tail.Close()) }()
		body = tail
	}
	return f.sink.put(ctx, f.name, body, f.size, sum)
}

// compare proves that the object under the file's name is the one that was to
// be sealed (I2).
func (f *file) compare(ctx context.Context, sum [32]byte, cause error) error {
	info, err := f.sink.store.Head(ctx, f.key)
	if cause != nil && errors.Is(err, objectstore.ErrNotFound) {
		return cause
	}
	if err != nil {
		return err
	}
	if info.Size != f.size {
		return strange(f.name, fmt.Errorf("the sink holds another file of this name, of %d instead of %d bytes", info.Size, f.size))
	}
	var same bool
	switch {
	case info.SHA256 != "":
		same = info.SHA256 == base64.StdEncoding.EncodeToString(sum[:])
	case info.CRC64NVME != "":
		same = info.CRC64NVME == f.before.Join(f.tailCRC, f.tail).Base64()
	default:
		same, err = f.sink.holds(ctx, f.key, info.ETag, sum)
	}
	if err != nil {
		return err
	}
	if !same {
		return strange(f.name, errors.New("the sink holds another file of this name, with other content"))
	}
	return nil
}

// holds reads an object whose checksum S3 does not keep.
func (s *Sink) holds(ctx context.Context, key, etag string, sum [32]byte) (bool, error) {
	var found [32]byte
	err := s.store.Stream(ctx, key, etag, func(body io.Reader) error {
		digest := sha256.New()
		_, err := io.Copy(digest, body)
		found = [32]byte(digest.Sum(nil))
		return err
	})
	return found == sum, err
}

func strange(name string, err error) error {
	return &pipeline.Error{
		Op: "seal", Object: name, Kind: pipeline.KindFatal, Err: err,
		Hint: "somebody else wrote into the job's folder; move that file away, or use another sink",
	}
}

// dropUploads aborts what may be unfinished under this name: the file's own
// upload, if the name was taken before it could be completed, and any other
// where a call that began one may have been executed unseen, because its answer
// was lost, or because its process was killed.
func (f *file) dropUploads(ctx context.Context, taken bool) error {
	if f.size <= f.sink.part {
		return nil // never had one
	}
	f.upload.mu.Lock()
	defer f.upload.mu.Unlock()
	if !f.upload.sure || f.sink.again.Load() {
		return f.sink.abort(ctx, f.key, func(u objectstore.Upload) bool { return u.Key == f.key })
	}
	if taken {
		return f.sink.store.AbortUpload(ctx, f.key, f.upload.id)
	}
	return nil
}

// dropTails removes every tail: no checkpoint needs one any more, since the file
// is found under its name.
func (f *file) dropTails() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sealed = true
	f.sink.cool(f.hot) // of a file that was there already
	f.hot = nil
	tails := make([]string, len(f.parts)+1)
	for i := range tails {
		tails[i] = f.tailPath(i)
	}
	return removeAll(tails)
}
