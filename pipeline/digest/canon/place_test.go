package canon_test

import (
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

func TestPlace(t *testing.T) {
	for _, test := range []struct {
		before, after string // of the place
		found         bool
	}{
		{`{`, `}`, false},
		{`{"a":1e0`, `}`, false},
		{`{"a":1e0,`, `"e":2e0}`, false},
		{`{`, `"e":2e0}`, false},
		{`{`, `"data":null}`, true},
		{`{"a":1e0,`, `"data":{"x":"}"},"e":2e0}`, true},
		{`{"":"","\"":{"data":[1e0,"data"]},"_data":true,"contentType":"a/b","dat":"\\","dat\\":"\"",`, `"data":[]}`, true},
		{`{"Data":1e0,`, `"data\u0000":2e0}`, false},
		{`{"dat\u0001":1e0,"dat\"":[],"dat\\z":{}`, `}`, false},
		{`{"a":"\",\"data\":{[","b":[[],{"z":[{}]}],`, `"datb":1e0,"é":"é"}`, false},
		{`{`, `"daſa":1e0}`, false},
	} {
		at, found := canon.Place([]byte(test.before+test.after), "data")
		if at != len(test.before) || found != test.found {
			t.Errorf("%s%s: %d, %v", test.before, test.after, at, found)
		}
	}
}
