package s3test_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/fhirhose/fhirhose/objectstore"
)

// TestWriteProbe: a real server refuses what it must, and keeps nothing.
func TestWriteProbe(t *testing.T) {
	r := newRig(t)
	probed := r.store.Probe(t.Context(), prefix+"/_fhirhose/write-probe", objectstore.WriteOptions{Conditional: true})
	if left := r.server.Objects(t, bucketName, ""); len(left) > 0 || len(r.leftovers()) > 0 {
		t.Errorf("left behind: %v, %q", left, r.leftovers())
	}
	if probed.Written != nil || probed.Left != nil || probed.KeepsVersions {
		t.Errorf("written: %v, left: %v, versions kept: %v", probed.Written, probed.Left, probed.KeepsVersions)
	}
	for what, err := range map[string]error{"replacing": probed.Replaced, "replacing in parts": probed.ReplacedInParts} {
		if !errors.Is(err, objectstore.ErrPrecondition) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if refused, ok := errors.AsType[*objectstore.Scrubbed](probed.Damaged); !ok || refused.Status != http.StatusBadRequest {
		t.Errorf("damage: %v", probed.Damaged)
	}
}
