package metrics

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"
)

// VerifyTotals is how far a verification of one data store is.
type VerifyTotals struct {
	Mode   string `json:"mode"`
	Tenant string `json:"tenant,omitempty"`
	Step   string `json:"step"` // what is under way, one of VerifySteps

	// Bytes of the target's export; 0 in a mode without, or while it is not listed.
	Bytes        int64 `json:"bytes"`
	BytesDone    int64 `json:"bytes_done"`
	BytesSkipped int64 `json:"bytes_skipped"` // of BytesDone: by earlier processes

	// Resources that were read, or asked for, of so many; 0 where nobody knows.
	Resources     int64 `json:"resources"`
	ResourcesDone int64 `json:"resources_done"`

	Classes map[string]int64 `json:"classes,omitempty"` // resources by class, of all data stores that are done
}

// VerifySteps lists the steps of a verification.
func VerifySteps() []string { return []string{"export", "read", "compare", "count", "ask", "explain"} }

var verifySteps = set(VerifySteps())

// Clone returns a copy.
func (t *VerifyTotals) Clone() *VerifyTotals {
	c := *t
	c.Classes = maps.Clone(t.Classes)
	return &c
}

func verifyFamilies() []family {
	value := func(get func(*VerifyTotals) int64) func(snapshot) float64 {
		return func(v snapshot) float64 {
			if v.Verify == nil {
				return 0
			}
			return float64(get(v.Verify))
		}
	}
	return []family{
		gauge("verify_export_bytes", "Size of the target's export; like all metrics of verification, 0 in any other verb.", value(func(t *VerifyTotals) int64 { return t.Bytes })),
		counter("verify_read_bytes_total", "Bytes of it that were read, by all processes of the verification.", value(func(t *VerifyTotals) int64 { return t.BytesDone })),
		counter("verify_resources_read_total", "Resources that were read from the target, or asked for.", value(func(t *VerifyTotals) int64 { return t.ResourcesDone })),
		{"verify_resources", prometheus.GaugeValue, "Resources by class, of the data stores that are verified.", []string{"class"}, func(v snapshot, out emit) {
			var classes map[string]int64
			if v.Verify != nil {
				classes = v.Verify.Classes
			}
			each(fold(v.labels.classes, classes), out)
		}},
		{"verify_step", prometheus.GaugeValue, "1 for what the verification does now.", []string{"step"}, func(v snapshot, out emit) {
			now := map[string]int64{}
			if v.Verify != nil {
				now[v.Verify.Step] = 1
			}
			each(fold(verifySteps, now), out)
		}},
	}
}
