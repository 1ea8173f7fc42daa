package healthlake

import (
	"slices"
	"testing"

	"github.com/fhirhose/fhirhose/metrics"
)

func TestResourceTypes(t *testing.T) {
	types := ResourceTypes()
	if len(types) != 146 || !slices.IsSorted(types) || len(slices.Compact(slices.Clone(types))) != len(types) {
		t.Errorf("%d types", len(types))
	}
	for _, name := range types {
		if !metrics.KnownType(name) {
			t.Errorf("%s is no type of FHIR", name)
		}
	}
}
