package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// part is a complete part of a file. ack and err are set when done is closed.
type part struct {
	number int    // from 1
	path   string // of its tail
	hot    []byte // nil if its bytes are in the tail
	size   int64
	crc    objectstore.CRC
	keep   bool // a checkpoint may point into it: the tail outlives the acknowledgement

	done chan struct{}
	ack  objectstore.Part
	err  error
}

// acknowledged returns a part that an earlier process has sent.
func acknowledged(ack objectstore.Part) *part {
	p := &part{done: make(chan struct{}), ack: ack}
	close(p.done)
	return p
}

// send begins the transfer of a part as soon as one is free.
func (f *file) send(ctx context.Context, p *part) error {
	release, err := f.sink.take(ctx)
	if err != nil {
		return err
	}
	f.sink.transfers.Go(func() {
		defer release()
		defer close(p.done)
		p.ack, p.err = f.transfer(f.sink.ctx, p)
		f.sink.cool(p.hot)
	})
	return nil
}

func (f *file) transfer(ctx context.Context, p *part) (ack objectstore.Part, err error) {
	id, err := f.upload.begin(ctx, f)
	if err != nil {
		return ack, err
	}
	if err := faultpoint.At("upload part"); err != nil {
		return ack, err
	}
	body, err := p.open()
	if err != nil {
		return ack, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	ack, err = f.sink.store.UploadPart(ctx, f.key, id, p.number, body, p.size, p.crc.Base64())
	if err != nil {
		return ack, err
	}
	if err := faultpoint.At("part uploaded"); err != nil {
		return ack, err
	}
	if p.keep || p.hot != nil { // in a tail that a checkpoint knows, or in none
		return ack, nil
	}
	return ack, os.Remove(p.path)
}

// open returns the part's bytes, from memory if they are there.
func (p *part) open() (io.ReadSeekCloser, error) {
	if p.hot == nil {
		return os.Open(p.path)
	}
	return struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(p.hot), io.NopCloser(nil)}, nil
}

// wait returns when S3 has acknowledged all parts. If the upload has vanished
// because an earlier process had completed it, the file is complete.
func (f *file) wait(ctx context.Context, parts []*part) error {
	for _, p := range parts {
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch {
		case p.err == nil, f.complete.Load():
			continue
		case !errors.Is(p.err, objectstore.ErrNoUpload):
			return p.err
		}
		if _, err := f.sink.store.Head(ctx, f.key); err != nil {
			return p.err
		}
		f.complete.Store(true)
	}
	return nil
}

// upload is the multipart upload of a file, begun by its first transfer.
type upload struct {
	mu   sync.Mutex
	id   string
	sure bool // there is no second one, begun by a call whose answer was lost
}

// begin returns the upload's id. One of several transfers asks S3 for it.
func (u *upload) begin(ctx context.Context, f *file) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.id != "" {
		return u.id, nil
	}
	if err := faultpoint.At("begin upload"); err != nil {
		return "", err
	}
	id, sure, err := f.sink.store.CreateUpload(ctx, f.key, f.sink.write)
	if err != nil {
		return "", err
	}
	u.id, u.sure = id, sure
	return id, nil
}

func (u *upload) known() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.id
}
