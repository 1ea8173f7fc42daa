package survey

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
)

// names are the sampled Binary rows by what their objects' keys begin with:
// [<tenant>/]<id>_<version>. They are PHI, and leave as counts only (I10).
type names map[string]*named

// named is what bears one name.
type named struct{ rows, deleted, current, noncurrent int64 }

// add takes a row of which the content is to be added.
func (n names) add(tenant string, r *convert.Record) {
	if tenant == convert.AllTenants {
		tenant = string(r.Tenant)
	}
	if tenant != "" {
		tenant += "/"
	}
	name := tenant + string(r.ID) + "_" + strconv.FormatUint(uint64(r.Version), 10) + "."
	if n[name] == nil {
		n[name] = &named{}
	}
	n[name].rows++
	if r.Status == pipeline.Deleted {
		n[name].deleted++
	}
}

// see takes an object: whatever stands behind any dot may be the extension.
func (n names) see(key string, current bool) {
	from := strings.LastIndexByte(key, '/') + 1
	for dot := range key[from:] {
		if key[from+dot] != '.' {
			continue
		}
		switch named := n[key[:from+dot+1]]; {
		case named == nil:
		case current:
			named.current++
		default:
			named.noncurrent++
		}
	}
}

// some returns at most so many of the names, as if no object was seen.
func (n names) some(most int) names {
	some := names{}
	for _, name := range slices.Sorted(maps.Keys(n)) {
		if len(some) == most {
			break
		}
		some[name] = &named{rows: n[name].rows, deleted: n[name].deleted}
	}
	return some
}

// outcomes is what becomes of the rows once all objects were seen.
func (n names) outcomes(recoverDeleted bool) *RowContents {
	c := &RowContents{}
	for _, name := range n {
		kept := name.rows - name.deleted
		c.take(kept, name.current, name.noncurrent, &c.Missing)
		if recoverDeleted {
			c.take(name.deleted, name.current, name.noncurrent, &c.Erased)
		} else {
			c.take(name.deleted, name.current, 0, &c.Erased)
		}
	}
	return c
}

func (c *RowContents) take(rows, current, noncurrent int64, none *int64) {
	switch {
	case current == 1:
		c.Found += rows
	case current > 1, current == 0 && noncurrent > 1:
		c.Ambiguous += rows
	case noncurrent == 1:
		c.Recovered += rows
	default:
		*none += rows
	}
}

// stub notes what a row leaves in state for the binary pipeline.
func (s *Sample) stub(r *convert.Record, line int64) {
	if string(r.Type) != binaryType || r.Reason == pipeline.OtherTenant || !r.Reason.Identified() {
		return
	}
	s.stubs++
	if r.Reason == pipeline.NoReason {
		s.stubBytes += line
	}
}

// binary notes a written row, if it is a Binary.
func (s *Sample) binary(r *convert.Record) {
	if string(r.Type) != binaryType {
		return
	}
	s.Binaries++
	if !r.HasData {
		s.names.add(s.tenant, r)
	}
}
