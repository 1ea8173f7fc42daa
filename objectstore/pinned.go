package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Pin says which bytes a key must stand for. Others are ErrPrecondition, none
// ErrNotFound.
type Pin struct {
	ETag      string // "" for any
	VersionID string // "" for the current one
	Size      int64  // of the whole object
}

// OpenRange reads n bytes of an object from offset on; n is 0 only for an object
// of no bytes. A body that breaks is continued by range from where it was, after
// a pause: Options.Attempts times, and once more for each Options.PartSize that
// came. io.EOF comes after exactly n bytes. Errors name the location and no key.
func (s *Store) OpenRange(ctx context.Context, key string, pin Pin, offset, n int64) (io.ReadCloser, error) {
	pin.ETag = quoted(pin.ETag)
	r := &pinned{ctx: ctx, store: s, key: key, pin: pin, offset: offset, left: n}
	if err := r.request(); err != nil {
		return nil, err
	}
	return r, nil
}

const opPinned = "read an object of"

// pinned is a range that is being read.
type pinned struct {
	ctx          context.Context //nolint:containedctx // it belongs to one read
	store        *Store
	key          string
	pin          Pin
	offset, left int64

	body   io.ReadCloser
	broken error // what the body has said after the bytes that were taken
	breaks int
	got    int64
}

// request asks for what is left. The whole of an object is asked for without a
// range: then its checksum comes along, and the SDK compares it.
func (r *pinned) request() error {
	s := r.store
	in := &s3.GetObjectInput{Bucket: &s.location.Bucket, Key: &r.key, ExpectedBucketOwner: s.owner()}
	if r.pin.ETag != "" {
		in.IfMatch = &r.pin.ETag
	}
	if r.pin.VersionID != "" {
		in.VersionId = &r.pin.VersionID
	}
	whole := r.left == r.pin.Size
	if !whole {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.offset, r.offset+r.left-1))
	}
	out, err := call(r.ctx, s, opPinned, s.location.String(), func() (*s3.GetObjectOutput, error) { return s.client.GetObject(r.ctx, in) })
	if err != nil {
		return err
	}
	wantRange := fmt.Sprintf("bytes %d-%d/%d", r.offset, r.offset+r.left-1, r.pin.Size)
	if aws.ToInt64(out.ContentLength) != r.left || !whole && aws.ToString(out.ContentRange) != wantRange ||
		r.pin.ETag != "" && aws.ToString(out.ETag) != r.pin.ETag {
		_ = out.Body.Close() // nothing of it is used
		return r.changed()
	}
	r.body, r.broken = out.Body, nil
	return nil
}

// changed says of an answer that it is not about the object of the pin.
func (r *pinned) changed() error {
	return &pipeline.Error{
		Op: opPinned, Object: r.store.location.String(), Kind: pipeline.KindFatal,
		Err:  &Scrubbed{Words: "the object has changed", is: ErrPrecondition},
		Hint: "somebody else changed the object; nothing else may write there",
	}
}

// Read implements [io.Reader].
func (r *pinned) Read(p []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, r.end()
		}
		if r.broken == nil {
			n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
			r.offset, r.left, r.got, r.broken = r.offset+int64(n), r.left-int64(n), r.got+int64(n), err
			if n > 0 || err == nil {
				return n, nil
			}
		}
		if err := r.resume(); err != nil {
			return 0, err
		}
	}
}

// end looks whether the body ends where it should. A checksum that differs is
// told here, when the bytes are gone: the caller reads again from the beginning.
func (r *pinned) end() error {
	if r.broken == nil {
		var one [1]byte
		n, err := r.body.Read(one[:])
		if n > 0 {
			return r.changed()
		}
		if r.broken = err; err == nil {
			r.broken = io.ErrNoProgress
		}
	}
	if errors.Is(r.broken, io.EOF) {
		return io.EOF
	}
	return Fault(opPinned, r.store.location.String(), r.broken)
}

// resume asks for the rest after the body has broken.
func (r *pinned) resume() error {
	err := r.broken
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	s := r.store
	r.breaks++
	allowed := int64(s.options.Attempts) - 1 + r.got/s.options.PartSize
	if int64(r.breaks) > allowed || worthRetrying(err) != aws.TrueTernary {
		return Fault(opPinned, s.location.String(), err)
	}
	if err := s.bodyPause(r.ctx, err, r.breaks); err != nil {
		return Fault(opPinned, s.location.String(), err)
	}
	_ = r.body.Close() // it is broken
	return r.request()
}

// Close implements [io.Closer]. It does not wait for what was not read.
func (r *pinned) Close() error {
	if err := r.body.Close(); err != nil && !errors.Is(err, io.EOF) {
		return Fault(opPinned, r.store.location.String(), err)
	}
	return nil
}
