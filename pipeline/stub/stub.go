package stub

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	// MaxBytes is the longest body of a frame: a row of pipeline.MaxRecordBytes,
	// and little more.
	MaxBytes = pipeline.MaxRecordBytes + 1<<10

	// MaxNameBytes is the longest tenant and the longest id.
	MaxNameBytes = 64
)

// Stub is one row of type Binary whose identity is readable.
type Stub struct {
	Object int   // number of the object in the job's list
	Record int64 // record number within it, from 1

	Tenant      []byte // in a job of all tenants; else, or if it is not certain, empty
	ID          []byte // FHIR id, without tenant
	Version     uint32
	LastUpdated int64 // as ledger.Entry has it: Unix ms, or ledger.UnknownTime
	Status      pipeline.DocumentStatus

	// NoReason: to be written. Else the stub only says that the row's object is
	// no orphan, and Raw is not stored.
	Reason pipeline.Reason

	// Raw is the source line. What follows from it, the line and the digests, is
	// made again by who needs it: it would take more room in `state` than Raw.
	Raw []byte
}

// storable tells whether a frame may hold the stub's identity.
func (s *Stub) storable() bool {
	return s.Object >= 0 && s.Object <= math.MaxUint32 && len(s.Tenant) <= MaxNameBytes &&
		len(s.ID) > 0 && len(s.ID) <= MaxNameBytes &&
		s.Status >= pipeline.Available && s.Status <= pipeline.Deleted &&
		int(s.Reason) <= reasons && s.Reason.Identified()
}

// reasons is how many reasons there are but NoReason; their numbers are dense.
var reasons = len(pipeline.Reasons())

// Places in a frame and in its body, see doc.go.
const (
	headBytes = 8 // in front of the body
	atSum     = 4

	atObject      = 0
	atRecord      = 4
	atVersion     = 12
	atLastUpdated = 16
	atStatus      = 24
	atReason      = 25
	atLayout      = 26
	atTenantLen   = 27
	atIDLen       = 28
	fixedBytes    = 29
)

// layout is the number of this form of a frame. One of an earlier form, with 0
// or 1 there, is refused.
const layout = 2

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of a frame.
func sumOf(length, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, body)
}

// Append appends the frame of s to dst. It does not allocate beyond dst. It
// panics on a stub that no row can have: no id, an id or tenant that is too long,
// a status or reason without identity, texts of more than MaxBytes.
func Append(dst []byte, s *Stub) []byte {
	raw := s.Raw
	if s.Reason != pipeline.NoReason {
		raw = nil
	}
	size := fixedBytes + len(s.Tenant) + len(s.ID) + len(raw)
	if !s.storable() || size > MaxBytes {
		panic("stub: no row can have this stub")
	}
	start := len(dst)
	dst = slices.Grow(dst, headBytes+size)[:start+headBytes+fixedBytes]
	frame := dst[start:]
	s.putFixed(frame[headBytes:])
	dst = append(append(append(dst, s.Tenant...), s.ID...), raw...)
	binary.LittleEndian.PutUint32(frame, uint32(size))
	binary.LittleEndian.PutUint32(frame[atSum:], sumOf(frame[:atSum], dst[start+headBytes:]))
	return dst
}

// putFixed fills in what is not text.
func (s *Stub) putFixed(body []byte) {
	binary.LittleEndian.PutUint32(body[atObject:], uint32(s.Object))
	binary.LittleEndian.PutUint64(body[atRecord:], uint64(s.Record))
	binary.LittleEndian.PutUint32(body[atVersion:], s.Version)
	binary.LittleEndian.PutUint64(body[atLastUpdated:], uint64(s.LastUpdated))
	body[atStatus], body[atReason], body[atLayout] = byte(s.Status), byte(s.Reason), layout
	body[atTenantLen], body[atIDLen] = byte(len(s.Tenant)), byte(len(s.ID))
}

// take fills in s from a body, whose bytes it keeps. It tells whether the body
// is one that Append writes.
func (s *Stub) take(body []byte) bool {
	if len(body) < fixedBytes || body[atLayout] != layout {
		return false
	}
	*s = Stub{
		Object:      int(binary.LittleEndian.Uint32(body[atObject:])),
		Record:      int64(binary.LittleEndian.Uint64(body[atRecord:])),
		Version:     binary.LittleEndian.Uint32(body[atVersion:]),
		LastUpdated: int64(binary.LittleEndian.Uint64(body[atLastUpdated:])),
		Status:      pipeline.DocumentStatus(body[atStatus]),
		Reason:      pipeline.Reason(body[atReason]),
	}
	tenant, id, rest := int(body[atTenantLen]), int(body[atIDLen]), body[fixedBytes:]
	if len(rest) < tenant+id {
		return false
	}
	s.Tenant, rest = rest[:tenant:tenant], rest[tenant:]
	s.ID, s.Raw = rest[:id:id], rest[id:len(rest):len(rest)]
	return (s.Reason == pipeline.NoReason || len(s.Raw) == 0) && s.storable()
}
