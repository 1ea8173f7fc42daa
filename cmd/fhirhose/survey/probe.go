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
	return errors.Join(refusesToReplace(ctx, sink, name), sink.Settle(ctx), sink.Remove(ctx, name))
}

// refusesToReplace writes other bytes under a name that is taken. A service that
// ignores the condition would let two runs overwrite each other (I2).
func refusesToReplace(ctx context.Context, sink pipeline.Sink, name string) error {
	content := []byte("a second file of the same name\n")
	file := sink.Create(name)
	if err := file.Append(ctx, content); err != nil {
		return err
	}
	if err := file.Seal(ctx, sha256.Sum256(content)); err != nil {
		if pipeline.KindOf(err) == pipeline.KindFatal {
			return nil
		}
		return err
	}
	return &pipeline.Error{
		Op: "probe", Object: "sink", Kind: pipeline.KindConfig,
		Err:  errors.New("the service replaces an object although it is told not to"),
		Hint: "set sink.s3.conditional_writes: false, and let nothing else write to the sink",
	}
}
