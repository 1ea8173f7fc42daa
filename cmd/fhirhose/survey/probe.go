package survey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Probe writes one small file to the sink and deletes it.
func Probe(ctx context.Context, sink pipeline.Sink) error {
	name := "_fhirhose/write-probe-" + rand.Text()
	content := []byte("written by fhirhose check --write-probe; safe to delete\n")
	file := sink.Create(name)
	if err := file.Append(ctx, content); err != nil {
		return err
	}
	if err := file.Seal(ctx, sha256.Sum256(content)); err != nil {
		return err
	}
	return errors.Join(sink.Settle(ctx), sink.Remove(ctx, name))
}
