package dynamoexport

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/fhirhose/fhirhose/pipeline"
)

// ranger is a bucket of which a part of an object can be read.
type ranger interface {
	GetRange(ctx context.Context, key, etag string, offset int64, p []byte) error
}

// Peek returns up to limit compressed bytes from the beginning of object i. They
// are not verified: `check` looks at them, nothing is moved by them (I9).
func (s *Source) Peek(ctx context.Context, i int, limit int64) ([]byte, error) {
	head := make([]byte, min(limit, s.objects[i].Size))
	if b, ok := s.place.(*bucket); ok {
		store, ok := b.store.(ranger)
		if !ok {
			return nil, &pipeline.Error{Op: "look into", Object: s.objects[i].Key, Err: errors.New("the bucket reads whole objects only")}
		}
		return head, store.GetRange(ctx, s.found[i].name, s.found[i].etag, 0, head)
	}
	file, err := os.Open(s.found[i].name)
	if err != nil {
		return nil, fault("look into", s.objects[i].Key, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	if _, err := io.ReadFull(file, head); err != nil {
		return nil, fault("look into", s.objects[i].Key, err)
	}
	return head, nil
}
