package survey

import (
	"context"
	"fmt"
	"sync"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Heads is a bucket that notes which of the objects that are looked at lie in an
// archive. A source looks at each of its objects when it is opened, so that this
// costs no call of its own.
type Heads struct {
	*objectstore.Store

	mu       sync.Mutex
	archived map[string]string // storage class by key
}

// Head is that of [objectstore.Store].
func (h *Heads) Head(ctx context.Context, key string) (objectstore.Info, error) {
	info, err := h.Store.Head(ctx, key)
	if info.Archived != "" {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.archived == nil {
			h.archived = map[string]string{}
		}
		h.archived[key] = info.Archived
	}
	return info, err
}

// JudgeArchive refuses a source of which objects lie in an archive, and tells
// whether all can be read.
func (r *Result) JudgeArchive(h *Heads) bool {
	if len(h.archived) == 0 {
		return true
	}
	classes := map[string]int64{}
	for _, class := range h.archived {
		classes[class]++
	}
	r.Fail(&pipeline.Error{
		Op: "look at the objects of", Object: r.Source, Kind: pipeline.KindFatal,
		Err: fmt.Errorf("what lies in an archive storage class cannot be read: %s (%s)",
			human.Plural(int64(len(h.archived)), "object"), listing(classes)),
		Hint: "restore the objects of the export first (aws s3api restore-object) and wait for that to end, or copy them to another storage class",
	})
	return false
}
