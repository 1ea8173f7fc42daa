package verify

import (
	"context"
	"io"

	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Asker compares single resources of a target with a ledger. One goroutine uses it.
type Asker struct {
	asker *asker
	judge judge
}

// NewAsker returns an asker. Of the options Dir, which must exist, Imported and Marks
// count. A body over 16 MiB passes through a file in Dir, which is removed.
func NewAsker(o Options) *Asker {
	return &Asker{newAsker(&o, make(chan struct{}, 1), 0), judge{imported: o.imported(), refused: o.Refused}}
}

// Current asks the target for the current version of a resource of the ledger, once,
// and says what it is. A target that lags behind may show too little yet. An
// uncommitted resource, which the source never showed, is NotMoved or Extra.
func (a *Asker) Current(ctx context.Context, r *ledger.Resource, target Reader) (Class, Cause, error) {
	if r.Fate == ledger.Uncommitted {
		exists, err := Exists(ctx, string(r.Type), string(r.ID), target)
		if exists {
			return Extra, NoCause, err
		}
		return NotMoved, NoCause, err
	}
	out, _, err := a.asker.current(ctx, &a.judge, newSide(r), target)
	return out.class, out.cause, err
}

// Exists tells whether a target has a resource, of which the ledger need not know.
func Exists(ctx context.Context, resourceType, id string, target Reader) (bool, error) {
	return target.Read(ctx, resourceType, id, func(body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	})
}
