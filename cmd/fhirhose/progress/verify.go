package progress

import (
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// work is what a bar shows: how much of how much, and in which unit.
type work struct {
	done, all int64
	skipped   int64 // of done: before this process
	amount    func(int64) string
}

// workOf is the input of a move; of an import its resources; of a verification the bytes of an export, or the
// resources that are asked for.
func workOf(s *metrics.Status) work {
	v := s.Verify
	switch {
	case s.Import != nil && s.Phase == metrics.PhaseImporting:
		return work{s.Import.Scanned, s.Import.Resources, 0, human.Count}
	case v == nil:
		return work{s.InputBytesDone, s.InputBytes, s.InputSkipped, human.Bytes}
	case v.Bytes > 0:
		return work{v.BytesDone, v.Bytes, v.BytesSkipped, human.Bytes}
	default:
		return work{v.ResourcesDone, v.Resources, 0, human.Count}
	}
}

// verified says what a verification has looked at, and what it does.
func verified(v *metrics.VerifyTotals) string {
	line := "  " + human.Plural(v.ResourcesDone, "resource") + "  " + v.Step
	if v.Tenant != "" {
		line += " of " + v.Tenant
	}
	return line
}
