package binaries

import (
	"cmp"
	"context"
	"errors"

	"github.com/fhirhose/fhirhose/pipeline"
)

// about names the row in an error of its content, whose key nobody may know (I10).
func (p *Pipeline) about(it *item, op string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	kind := pipeline.KindOf(err)
	if kind == pipeline.KindOther {
		kind = pipeline.KindRetryLater
	}
	return &pipeline.Error{
		Op: op, Object: p.objectOf(it), Record: it.stub.Record, Kind: kind, Err: err,
		Hint: cmp.Or(pipeline.HintOf(err), "run the same command again; it goes on from the last cut"),
	}
}

func (p *Pipeline) objectOf(it *item) string { return p.options.Objects[it.stub.Object].Key }
