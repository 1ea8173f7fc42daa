package ledger

import (
	"errors"
	"fmt"

	"github.com/fhirhose/fhirhose/pipeline"
)

var errDamaged = errors.New("damaged")

const hintDamaged = "restore the file from a copy, or start the job over with move --restart"

// damaged returns an error that names the defect, never content (I10).
func damaged(defect string) error { return fmt.Errorf("%w: %s", errDamaged, defect) }

// segmentError says which segment, by its number in the list given to Open,
// could not be read. A damaged one is fatal; an error of the file keeps its kind.
func segmentError(number int, err error) error {
	e := &pipeline.Error{Op: "read", Object: fmt.Sprintf("ledger segment %d", number), Kind: pipeline.KindOf(err), Err: err}
	if errors.Is(err, errDamaged) {
		e.Kind, e.Hint = pipeline.KindFatal, hintDamaged
	}
	return e
}
