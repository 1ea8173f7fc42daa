package sinktest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

const claimName = "_fhirhose/claim.json"

func testClaim(t *testing.T, p Place) {
	mine, other := []byte(`{"run":"a"}`), []byte(`{"run":"b"}`)
	check(t, open(t, p).Claim(t.Context(), mine))
	wantOnly(t, p, map[string][]byte{claimName: mine})

	later := open(t, p)
	check(t, later.Claim(t.Context(), mine))
	wantKind(t, later.Claim(t.Context(), other), pipeline.KindClaimed)
	wantKind(t, later.Claim(t.Context(), mine[:4]), pipeline.KindClaimed)
	wantOnly(t, p, map[string][]byte{claimName: mine})
}

// testClaimRace: whoever is told that the place is his finds his own bytes.
func testClaimRace(t *testing.T, p Place) {
	const racers = 8
	var winners [racers]bool
	var group sync.WaitGroup
	for i := range racers {
		sink := open(t, p)
		group.Go(func() {
			err := sink.Claim(t.Context(), racer(i))
			winners[i] = err == nil
			if err != nil && pipeline.KindOf(err) != pipeline.KindClaimed {
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	group.Wait()
	claim := p.Visible(claimName)[claimName]
	for i, won := range winners {
		if won != bytes.Equal(claim, racer(i)) {
			t.Errorf("racer %d: won %v, but the claim is %q", i, won, claim)
		}
	}
	wantOnly(t, p, map[string][]byte{claimName: claim})
}

func racer(i int) []byte { return fmt.Appendf(nil, `{"run":"%d"}`, i) }
