package stub

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	// MaxBytes is the longest body of a frame. Line, Before, After and Raw of a
	// row of pipeline.MaxRecordBytes take three times that, and little more.
	MaxBytes = 4 * pipeline.MaxRecordBytes

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
	// no orphan, and what follows is not stored.
	Reason pipeline.Reason

	HasData bool     // the line has its content: Before and After are empty
	Content [32]byte // content digest of the line as it is
	Label   [32]byte // label digest
	Line    []byte   // FHIR NDJSON, as package convert gives it

	// SHA-256 over Before, the content in base64, and After is the content
	// digest of the resource with its content: see convert.Record.
	Before, After []byte

	Raw []byte // the source line, for the quarantine
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
	atHasData     = 26
	atTenantLen   = 27
	atIDLen       = 28
	fixedBytes    = 29

	atContent    = fixedBytes
	atLabel      = atContent + 32
	atLineLen    = atLabel + 32
	atBeforeLen  = atLineLen + 4
	atAfterLen   = atBeforeLen + 4
	writtenBytes = atAfterLen + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of a frame.
func sumOf(length, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, body)
}

// Append appends the frame of s to dst. It does not allocate beyond dst. It
// panics on a stub that no row can have: no id, an id or tenant that is too long,
// a status or reason without identity, texts of more than MaxBytes.
func Append(dst []byte, s *Stub) []byte {
	texts := [...][]byte{s.Tenant, s.ID, s.Line, s.Before, s.After, s.Raw}
	fixed, stored := writtenBytes, texts[:]
	if s.Reason != pipeline.NoReason {
		fixed, stored = fixedBytes, texts[:2]
	}
	size := fixed
	for _, text := range stored {
		size += len(text)
	}
	if !s.storable() || size > MaxBytes {
		panic("stub: no row can have this stub")
	}
	start := len(dst)
	dst = slices.Grow(dst, headBytes+size)[:start+headBytes+fixed]
	frame := dst[start:]
	s.putFixed(frame[headBytes:])
	for _, text := range stored {
		dst = append(dst, text...)
	}
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
	body[atStatus], body[atReason], body[atHasData] = byte(s.Status), byte(s.Reason), 0
	body[atTenantLen], body[atIDLen] = byte(len(s.Tenant)), byte(len(s.ID))
	if s.Reason != pipeline.NoReason {
		return
	}
	if s.HasData {
		body[atHasData] = 1
	}
	copy(body[atContent:], s.Content[:])
	copy(body[atLabel:], s.Label[:])
	binary.LittleEndian.PutUint32(body[atLineLen:], uint32(len(s.Line)))
	binary.LittleEndian.PutUint32(body[atBeforeLen:], uint32(len(s.Before)))
	binary.LittleEndian.PutUint32(body[atAfterLen:], uint32(len(s.After)))
}

// take fills in s from a body, whose bytes it keeps. It tells whether the body
// is one that Append writes.
func (s *Stub) take(body []byte) bool {
	if len(body) < fixedBytes {
		return false
	}
	*s = Stub{
		Object:      int(binary.LittleEndian.Uint32(body[atObject:])),
		Record:      int64(binary.LittleEndian.Uint64(body[atRecord:])),
		Version:     binary.LittleEndian.Uint32(body[atVersion:]),
		LastUpdated: int64(binary.LittleEndian.Uint64(body[atLastUpdated:])),
		Status:      pipeline.DocumentStatus(body[atStatus]),
		Reason:      pipeline.Reason(body[atReason]),
		HasData:     body[atHasData] == 1,
	}
	written := s.Reason == pipeline.NoReason
	left := texts{rest: body[fixedBytes:]}
	if written {
		if len(body) < writtenBytes {
			return false
		}
		copy(s.Content[:], body[atContent:])
		copy(s.Label[:], body[atLabel:])
		left.rest = body[writtenBytes:]
	}
	s.Tenant = left.cut(uint32(body[atTenantLen]))
	s.ID = left.cut(uint32(body[atIDLen]))
	if written {
		s.Line = left.cut(binary.LittleEndian.Uint32(body[atLineLen:]))
		s.Before = left.cut(binary.LittleEndian.Uint32(body[atBeforeLen:]))
		s.After = left.cut(binary.LittleEndian.Uint32(body[atAfterLen:]))
		s.Raw = left.cut(uint32(len(left.rest)))
	}
	return !left.short && len(left.rest) == 0 &&
		body[atHasData] <= 1 && (written || !s.HasData) && s.storable()
}

// texts are what is left of a body.
type texts struct {
	rest  []byte
	short bool // less was left than should be
}

// cut takes the next text.
func (t *texts) cut(n uint32) (text []byte) {
	if t.short = t.short || uint64(n) > uint64(len(t.rest)); t.short {
		return nil
	}
	text, t.rest = t.rest[:n:n], t.rest[n:]
	return text
}
