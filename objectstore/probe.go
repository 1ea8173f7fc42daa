package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"time"
)

// cleanupTime is for removing a probe, also after an interruption.
const cleanupTime = 30 * time.Second

// Probed is what a service made of a write probe.
type Probed struct {
	// Written is the error of writing one object. Where there is one, nothing
	// else was tried, but for the two switches of S3 look-alikes that may help.
	Written          error
	WithoutCondition bool  // it can be written so
	WithoutChecksum  bool  // or so
	Replaced         error // of replacing it against If-None-Match; nil: the service did; ErrPrecondition: it refused
	ReplacedInParts  error // the same by an upload, whose completion has the condition
	Damaged          error // of writing bytes with the checksum of others, where checksums are sent; nil: the service did
	Left             error // what may be left in the bucket, and why
	KeepsVersions    bool  // the bucket keeps old versions, and so the probe's
}

// Probe writes a small object under a key that nobody uses, asks the service to
// replace and to damage it, which it must refuse, and removes it.
func (s *Store) Probe(ctx context.Context, key string, o WriteOptions) (result Probed) {
	p := &probe{store: s, key: key, write: o}
	p.first(ctx, &result)
	if result.Written == nil {
		result.Replaced = p.replace(ctx)
		result.ReplacedInParts = p.replaceInParts(ctx)
		if s.checksums {
			result.Damaged = p.damage(ctx)
		}
	}
	if p.there {
		p.remove(ctx, &result)
	}
	return result
}

// probe is one object that comes and goes.
type probe struct {
	store *Store
	key   string
	write WriteOptions // as the job writes
	there bool         // perhaps

	uploading bool   // perhaps
	upload    string // its id; "" if it is not known for sure
}

const (
	probeText = "written by fhirhose check --write-probe; safe to delete\n"
	otherText = "a second object of the same name\n"
)

func (p *probe) put(ctx context.Context, store *Store, text, summed string, o WriteOptions) error {
	p.there = true
	sum := sha256.Sum256([]byte(summed))
	return store.Put(ctx, p.key, bytes.NewReader([]byte(text)), int64(len(text)), base64.StdEncoding.EncodeToString(sum[:]), o)
}

// first writes the object as the job would. Where the service refuses that, it
// looks for the switch that helps.
func (p *probe) first(ctx context.Context, result *Probed) {
	err := p.put(ctx, p.store, probeText, probeText, p.write)
	if err == nil || errors.Is(err, ErrPrecondition) { // ours, its answer lost
		return
	}
	result.Written = err
	refused, answered := errors.AsType[*Scrubbed](err)
	if !answered || refused.Status < 400 {
		return
	}
	p.there = refused.Status >= 500
	if refused.Status != http.StatusBadRequest && refused.Status != http.StatusNotImplemented {
		return
	}
	free := p.write
	free.Conditional = false
	result.WithoutCondition = p.write.Conditional && p.put(ctx, p.store, probeText, probeText, free) == nil
	if !result.WithoutCondition && p.store.checksums {
		result.WithoutChecksum = p.put(ctx, p.store.withoutChecksums(), probeText, probeText, p.write) == nil
	}
}

// replace writes other bytes under the name that is taken.
func (p *probe) replace(ctx context.Context) error {
	return p.put(ctx, p.store, otherText, otherText, p.conditional())
}

func (p *probe) conditional() WriteOptions {
	o := p.write
	o.Conditional = true
	return o
}

// replaceInParts does so by an upload, which a service may treat in another way.
func (p *probe) replaceInParts(ctx context.Context) error {
	id, sure, err := p.store.CreateUpload(ctx, p.key, p.conditional())
	p.uploading = true
	if err != nil {
		return err
	}
	if sure {
		p.upload = id
	}
	size, sum := int64(len(otherText)), CRC(0).Add([]byte(otherText)).Base64()
	part, err := p.store.UploadPart(ctx, p.key, id, 1, bytes.NewReader([]byte(otherText)), size, sum)
	if err != nil {
		return err
	}
	return p.store.CompleteUpload(ctx, p.key, id, []Part{part}, size, sum, p.conditional())
}

// damage writes bytes with the checksum of others, and does not insist.
func (p *probe) damage(ctx context.Context) error {
	return p.put(ctx, p.store.once(), otherText, probeText, WriteOptions{KMSKey: p.write.KMSKey})
}

// remove leaves nothing behind, or says what.
func (p *probe) remove(ctx context.Context, result *Probed) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	result.Left = errors.Join(p.dropUpload(ctx), p.store.Delete(ctx, p.key))
	result.KeepsVersions, _ = p.store.Versions(ctx) // who may not look is not told
}

// dropUpload aborts the upload that was not completed; one that was is no error.
// Where its id is not known for sure, it is looked for.
func (p *probe) dropUpload(ctx context.Context) error {
	if !p.uploading {
		return nil
	}
	if p.upload != "" {
		return p.store.AbortUpload(ctx, p.key, p.upload)
	}
	found, err := p.store.Uploads(ctx, p.key)
	for _, u := range found {
		err = errors.Join(err, p.store.AbortUpload(ctx, u.Key, u.ID))
	}
	return err
}
