package progress

import (
	"fmt"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// binaries says how far the contents are; "" in a job that fetches none. Not all
// objects that are listed need be named by a row, so that there is no percentage.
func binaries(s *metrics.Status) string {
	b := s.Binaries
	if b == nil || b.Objects == 0 && b.Rows == 0 {
		return ""
	}
	return fmt.Sprintf("  Binaries %s, %s of %s", human.Count(b.Written), human.Bytes(b.ContentBytes), human.Bytes(b.Bytes))
}

// binariesLine is the part of a JSON line about Binaries.
type binariesLine struct {
	Rows     int64 `json:"rows"`
	Written  int64 `json:"written"`
	Bytes    int64 `json:"content_bytes"`
	Listed   int64 `json:"listed_bytes"`
	InFlight int64 `json:"in_flight"`
	Waiting  int64 `json:"waiting"`
}

func binariesOf(s *metrics.Status) *binariesLine {
	b := s.Binaries
	if b == nil {
		return nil
	}
	return &binariesLine{b.Rows, b.Written, b.ContentBytes, b.Bytes, b.InFlight, b.Waiting}
}
