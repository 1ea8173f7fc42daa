package metrics

import (
	"maps"
	"slices"
)

// Labels of tenants that no tenant can have as its name.
const (
	noTenant     = "(none)"  // records without a certain one
	otherTenants = "(other)" // all but the first labelledTenants
)

// labelledTenants bounds the number of series: the first tenants by name have one
// of their own.
const labelledTenants = 50

// foldTenants sums a value by label.
func foldTenants(tenants map[string]*TenantTotals, value func(*TenantTotals) int64) map[string]int64 {
	counts := make(map[string]int64)
	named := 0
	for _, name := range slices.Sorted(maps.Keys(tenants)) {
		label := name
		switch {
		case name == "":
			label = noTenant
		case named == labelledTenants:
			label = otherTenants
		default:
			named++
		}
		counts[label] += value(tenants[name])
	}
	return counts
}
