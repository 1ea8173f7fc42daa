package binaries

import (
	"strconv"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// appendPrefix appends what the key of a row's object begins with:
// [<tenant>/]<id>_<version>. It appends nothing for a row that names no object of
// this job: one of another tenant, or of a tenant that is not certain.
func (p *Pipeline) appendPrefix(dst []byte, s *converted) []byte {
	if s.Reason == pipeline.OtherTenant {
		return dst
	}
	switch p.options.Tenant {
	case "":
	case convert.AllTenants:
		if len(s.Tenant) == 0 {
			return dst
		}
		dst = append(append(dst, s.Tenant...), '/')
	default:
		dst = append(append(dst, p.options.Tenant...), '/')
	}
	dst = append(append(dst, s.ID...), '_')
	return append(strconv.AppendUint(dst, uint64(s.Version), 10), '.')
}

// keysOfJob is what all keys of this job's objects begin with.
func (p *Pipeline) keysOfJob() string {
	if p.options.Tenant == "" || p.options.Tenant == convert.AllTenants {
		return ""
	}
	return p.options.Tenant + "/"
}

// slots are the sequences of files by tenant and version. One goroutine uses them.
type slots struct {
	known map[slotKey]*slot
	at    func(*shard.Slot) int
}

type slotKey struct {
	tenant       string
	resourceType string // "" for the quarantine
	version      uint32
}

// slot is a sequence of files, and the writer that owns them.
type slot struct {
	*shard.Slot
	writer int
}

const binaryType = "Binary"

func newSlots(writerOf func(*shard.Slot) int) *slots {
	return &slots{known: make(map[slotKey]*slot), at: writerOf}
}

func (s *slots) get(key slotKey) *slot {
	known := s.known[key]
	if known == nil {
		known = &slot{Slot: newShardSlot(key)}
		known.writer = s.at(known.Slot)
		s.known[key] = known
	}
	return known
}

func (s *slots) quarantine(row *converted) *slot {
	return s.get(slotKey{tenant: string(row.Tenant)})
}

func (s *slots) written(row *converted) *slot {
	return s.get(slotKey{string(row.Tenant), binaryType, row.Version})
}

// newShardSlot is the only place where a slot is made.
func newShardSlot(key slotKey) *shard.Slot {
	if key.resourceType == "" {
		return shard.NewQuarantine(key.tenant).OfBinaries()
	}
	return shard.NewSlot(key.tenant, key.resourceType, key.version)
}
