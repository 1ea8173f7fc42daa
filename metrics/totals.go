package metrics

import (
	"maps"
	"slices"
)

// FilteredByReason sums the filtered records of all types by reason.
func (s *Status) FilteredByReason() map[string]int64 {
	total := map[string]int64{}
	for _, t := range s.Types {
		add(total, t.Filtered)
	}
	return total
}

// QuarantinedByReason sums the quarantined records of all types by reason.
func (s *Status) QuarantinedByReason() map[string]int64 {
	total := map[string]int64{}
	for _, t := range s.Types {
		add(total, t.Quarantined)
	}
	return total
}

// TypeNames lists the resource types that were seen, sorted.
func (s *Status) TypeNames() []string { return slices.Sorted(maps.Keys(s.Types)) }

// TenantNames lists the tenants of a job that moves all of them, sorted, without
// the "" of records that have none for certain.
func (s *Status) TenantNames() []string {
	names := slices.Sorted(maps.Keys(s.Tenants))
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// NoTenant is the number of records without a certain tenant, in such a job.
func (s *Status) NoTenant() int64 {
	if none := s.Tenants[""]; none != nil {
		return none.Read
	}
	return 0
}

// BytesRead sums the decompressed source bytes over all types.
func (s *Status) BytesRead() (n int64) {
	for _, t := range s.Types {
		n += t.BytesRead
	}
	return n
}

// BytesWritten sums the NDJSON bytes over all types.
func (s *Status) BytesWritten() (n int64) {
	for _, t := range s.Types {
		n += t.BytesWritten
	}
	return n
}

func add(total, part map[string]int64) {
	for key, n := range part {
		total[key] += n
	}
}

func sum(counts map[string]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}
