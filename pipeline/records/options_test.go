package records_test

import (
	"fmt"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// I7: what the sink holds is not there for lanes, and the remedy counts it too.
func TestMemoryBesideThePipeline(t *testing.T) {
	advised := func(memory, beside int64, lanes int) (mib int64) {
		_, err := records.New(records.Options{Memory: memory, Beside: beside, Lanes: lanes}, nil, nil, nil, nil)
		if pipeline.KindOf(err) != pipeline.KindConfig {
			t.Fatalf("%d of %d MiB for the sink, %d lanes: %v", beside>>20, memory>>20, lanes, err)
		}
		if _, err := fmt.Sscanf(pipeline.HintOf(err), "set limits.memory to at least %d MiB", &mib); err != nil {
			t.Fatal(err)
		}
		return mib
	}
	const memory, beside = 256 << 20, 32 << 20
	if alone, both := advised(memory, 0, 500), advised(memory, beside, 500); both != alone+beside>>20 {
		t.Errorf("%d MiB are advised with a sink of %d MiB, %d MiB without", both, beside>>20, alone)
	}
	advised(memory, 168<<20, 16)
}
